"""What the effects tick says of a loop on which an experiment runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support import store_records as records
from support.contexts import NOON, World
from support.judged import judged

from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState, Period
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.pipelines.ticks import Measured, measure


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.store.loops.register("main", 5, "mock")
    yield made
    made.close()


def test_a_switch_makes_no_quote_and_a_change_beside_it_does(world: World) -> None:
    store = world.store
    store.experiments.start(
        Experiment(
            experiment_id="xp-1",
            loop="main",
            rule=records.SPEC.name,
            kind=ExperimentKind.BRACKET,
            state=ExperimentState.RUNNING,
            config={},
            seed=1,
            original=0.22,
            started=NOON,
            by="r/h/somebody",
            planned=12,
        )
    )
    period = Period(experiment_id="xp-1", number=1, arm="B", value=0.3, opened=NOON, pair=1, plan={})
    assert store.experiments.open(period, records.SPEC, actor="Lumen", note="n") is not None
    (switch,) = store.rules.events("main")
    change = records.event("by-hand", ts=NOON - timedelta(hours=1), applied_at=NOON - timedelta(hours=1))
    store.rules.insert([change])
    signals = {name: judged(name, 0.05) for name in SIGNALS}
    store.effects.add([records.effect(event, signals=signals) for event in (switch, change)])

    first = measure(world.context(), "main")
    second = measure(world.context(), "main")

    assert (first, second) == (Measured(0, 2), Measured(0, 0))
    assert [quote.ts for quote in store.findings.quotes("main")] == [change.ts]
    assert [risk.ts for risk in store.findings.risks("main")] == [change.ts]
