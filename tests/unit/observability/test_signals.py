"""Signals, and what rule changes did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import store_records as records
from support.contexts import World
from support.judged import judged
from support.metrics import told

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.gateway import Act, Status, Step
from lumen_workers.domain.records import EffectStatus
from lumen_workers.domain.signals import SIGNALS

STEPS = [
    (Act.INIT, Status.INITIALIZING),
    (Act.BIND, Status.BINDING),
    (Act.RESONATE, Status.RESONATING),
    (Act.LOCK, Status.LOCKED),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.store.loops.register("main", 5, "host")
    made.store.loops.register("still", 5, "host")
    yield made
    made.close()


def test_a_fresh_sample_is_told_for_its_loop_only(world: World) -> None:
    sample = records.block(to_us(world.store.now()) - 2_000_000, 1)
    world.store.samples.add("main", sample)
    found = told(world.store)
    for position, signal in enumerate(SIGNALS):
        assert found[f"lumen_{signal}"] == {("main",): sample.values[0][position]}
    assert found["lumen_sample_age_seconds"] == {("main",): 2.0}


def test_an_old_sample_says_nothing_but_its_age(world: World) -> None:
    world.store.samples.add("main", records.block(to_us(world.store.now()) - 10_100_000, 1))
    found = told(world.store)
    assert not {f"lumen_{signal}" for signal in SIGNALS} & set(found)
    assert found["lumen_sample_age_seconds"] == {("main",): 10.1}


def test_the_last_computed_effect_of_each_rule(world: World) -> None:
    events = [
        records.event("one"),
        records.event("two", new=0.25),
        records.event("three", rule="risk_max"),
        records.event("four", new=0.26),
    ]
    world.store.rules.insert(events)
    changes = [{"phase_diff": 0.5}, {"phase_diff": -0.01}, {"phase_diff": 0.02}, {}]
    for event, change in zip(events, changes, strict=True):
        effect = records.effect(event)
        signals = dict(effect.signals)
        for name, delta in change.items():
            signals[name] = type(signals[name])(pre=0.3, post=0.3 + delta, delta=delta)
        status = EffectStatus.COMPUTED if change else EffectStatus.INSUFFICIENT
        world.store.effects.add([records.effect(event, signals=signals, status=status)])
    found = told(world.store)
    assert found["lumen_rule_last_phase_diff_delta"] == {("main", "creative_min"): -0.01, ("main", "risk_max"): 0.02}
    assert "lumen_rule_last_phase_diff_low" not in found
    assert found["lumen_rule_last_risk_band_delta"] == {("main", "creative_min"): 0.2, ("main", "risk_max"): 0.2}


def test_where_each_gateway_stands(world: World) -> None:
    known = dict.fromkeys(((loop,) for loop in world.store.loops.rates()), 0)
    assert told(world.store)["lumen_gateway_status"] == known
    gateway = None
    for number, (act, status) in enumerate(STEPS, 1):
        moved = world.store.gateways.move("main", gateway, [Step(act=act, status=status, by="a/h/kim")])
        assert moved is not None
        gateway = moved.gateway
        assert told(world.store)["lumen_gateway_status"] == {**known, ("main",): number}


def test_the_interval_of_the_last_effect(world: World) -> None:
    event = records.event("one")
    world.store.rules.insert([event])
    signals = {name: judged(name, 0.03, 0.01) for name in SIGNALS}
    world.store.effects.add([records.effect(event, signals=signals)])
    found = told(world.store)
    for signal in SIGNALS:
        assert found[f"lumen_rule_last_{signal}_low"] == {("main", "creative_min"): pytest.approx(0.02)}
        assert found[f"lumen_rule_last_{signal}_high"] == {("main", "creative_min"): pytest.approx(0.04)}


def test_experiments_that_run_and_those_that_are_held(world: World) -> None:
    known = dict.fromkeys(((loop,) for loop in world.store.loops.rates()), 0)
    assert told(world.store)["lumen_experiment_running"] == known
    world.store.experiments.start(records.experiment())
    found = told(world.store)
    assert found["lumen_experiment_running"] == {**known, ("main",): 1}
    assert found["lumen_experiment_held"] == {("main",): 0}
    world.store.experiments.hold("xp-1", "no samples for 12 s")
    assert told(world.store)["lumen_experiment_held"] == {("main",): 1}
