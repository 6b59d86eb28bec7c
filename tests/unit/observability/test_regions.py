"""Regions, switches, ticks, lanes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.contexts import A, B, World
from support.metrics import VERSION, told

from lumen_workers.domain.regions import PAUSE, drain_switch


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_a_region_is_up_while_its_jobs_lane_gives_signs(world: World) -> None:
    assert told(world.store)["lumen_region_up"] == {(A,): 0, (B,): 0}
    world.store.pulses.beat(A, "jobs", "one", "a/one/1", VERSION)
    world.store.pulses.beat(B, "sampler", "one", "b/one/1", VERSION)
    world.clock.advance(30)
    found = told(world.store)
    assert found["lumen_region_up"] == {(A,): 1, (B,): 0}
    world.clock.advance(0.001)
    assert told(world.store)["lumen_region_up"] == {(A,): 0, (B,): 0}
    world.store.pulses.beat(A, "jobs", "two", "a/two/1", VERSION)
    found = told(world.store)
    assert found["lumen_region_up"] == {(A,): 1, (B,): 0}
    seen = found["lumen_region_seen_timestamp_seconds"]
    assert set(seen) == {("jobs", A), ("sampler", B)}
    assert seen["jobs", A] == world.store.now().timestamp()


def test_switches(world: World) -> None:
    def switches() -> tuple[float, float, dict[tuple[str, ...], float]]:
        found = told(world.store)
        return found["lumen_paused"][()], found["lumen_alert_suppressed"][()], found["lumen_region_drained"]

    assert switches() == (0, 0, {(A,): 0, (B,): 0})
    for name in (PAUSE, "suppress", drain_switch(B)):
        world.store.switches.turn_on(name, "kim")
    assert switches() == (1, 1, {(A,): 0, (B,): 1})
    for name in (PAUSE, "suppress", drain_switch(B)):
        world.store.switches.turn_off(name, "kim")
    assert switches() == (0, 0, {(A,): 0, (B,): 0})


def test_ticks_of_the_schedule(world: World) -> None:
    assert "lumen_tick_last_fire_timestamp_seconds" not in told(world.store)
    world.store.ticks.claim("effects", A, 1)
    world.store.ticks.claim("effects", "gone", 1)
    world.store.ticks.claim("renamed", A, 1)
    world.clock.advance(60)
    found = told(world.store)
    assert found["lumen_tick_last_fire_timestamp_seconds"] == {("effects", A): world.store.now().timestamp() - 60}
    assert found["lumen_tick_period_seconds"] == {("effects",): 5, ("reconcile",): 5}


def test_lanes_as_far_as_the_broker_tells(world: World) -> None:
    assert not [name for name in told(world.store) if "queue" in name or "broker" in name]
    found = told(world.store, depths=lambda: {(A, "jobs"): (3, 12.5), (B, "jobs"): (1, None)})
    assert found["lumen_broker_up"] == {(): 1}
    assert found["lumen_queue_depth"] == {("jobs", A): 3, ("jobs", B): 1}
    assert found["lumen_queue_age_seconds"] == {("jobs", A): 12.5}
    found = told(world.store, depths=lambda: None)
    assert found["lumen_broker_up"] == {(): 0}
    assert not [name for name in found if "queue" in name]
