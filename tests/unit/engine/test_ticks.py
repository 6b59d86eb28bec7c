"""One slot of one entry in one region runs once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from support.contexts import A, B, Steps, World, entries

from lumen_workers.domain.errors import BuildError, StoreUnavailable
from lumen_workers.domain.runs import RunStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Tick
from lumen_workers.engine.ticks import run_slot, run_tick

STEPS = Steps()
TRACE = "ab" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def counting(done: list[str]) -> Tick:
    def run(ctx: Context) -> str:
        done.append(ctx.region)
        return "looked"

    return Tick(name="effects", run=run)


def test_sent_twice_it_runs_once_in_each_region_and_slot(world: World) -> None:
    done: list[str] = []
    tick = counting(done)
    for _ in range(3):
        for region in (A, B):
            run_tick(world.context(region), tick)
    assert done == [A, B]
    world.clock.advance(5)
    assert run_tick(world.context(), tick) == "looked"
    state = next(s for s in world.store.ticks.states() if s.region == A)
    assert (state.entry, state.outcome, state.ended) == ("effects", "looked", world.clock.now())


def test_a_region_runs_only_its_own_entries(world: World) -> None:
    done: list[str] = []
    schedule = entries(
        data={
            "here": {"run": "effects", "every_s": 60, "regions": [A]},
            "there": {"run": "effects", "every_s": 5, "regions": [B]},
        }
    )
    assert run_tick(world.context(schedule={}), counting(done)) == "not scheduled here"
    for _ in range(3):
        run_tick(world.context(A, schedule=schedule), counting(done))
        run_tick(world.context(B, schedule=schedule), counting(done))
        world.clock.advance(5)
    assert done == [A, B, B, B]
    assert {(s.entry, s.region) for s in world.store.ticks.states()} == {("here", A), ("there", B)}


def test_a_tick_that_fails_is_noted_and_the_next_slot_runs(world: World) -> None:
    def broken(_: Context) -> str:
        raise BuildError("no")

    with pytest.raises(BuildError):
        run_tick(world.context(), Tick(name="effects", run=broken))
    assert world.store.ticks.states()[0].outcome == "failed: BuildError: no"
    world.clock.advance(5)
    assert run_tick(world.context(), counting([])) == "looked"


def test_a_pipelines_slot_closes_the_day_before_it(world: World) -> None:
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == f"20260131-{A}-01234567"
    assert world.store.runs.rows()[0].day == date(2026, 1, 31)
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == "this slot has run"
    world.clock.advance(24 * 3600)
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == f"20260201-{A}-01234567"


def test_a_slot_whose_start_was_cut_is_still_owed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claimed first and started after, a worker that dies in between would leave the day unbuilt for ever."""
    for error in (StoreUnavailable("away"), SystemExit(1)):

        def cut(*_: object, why: BaseException = error) -> None:
            raise why

        with monkeypatch.context() as patch:
            patch.setattr(world.store.runs, "create", cut)
            with pytest.raises(type(error)):
                run_slot(world.context(), STEPS.pipeline, TRACE)
    assert world.alarms() == set()
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == f"20260131-{A}-01234567"


def test_cut_after_the_start_it_starts_nothing_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> bool:
        raise SystemExit(1)

    with monkeypatch.context() as patch:
        patch.setattr(world.store.ticks, "claim", cut)
        with pytest.raises(SystemExit):
            run_slot(world.context(), STEPS.pipeline, TRACE)
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == f"20260131-{A}-01234567"
    assert [(run.attempt, run.status) for run in world.store.runs.rows()] == [(1, RunStatus.QUEUED)]


def test_a_start_that_fails_for_good_is_an_alarm_and_not_tried_every_few_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BuildError("no")

    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.engine.flow.seal_for", broken)
        with pytest.raises(BuildError):
            run_slot(world.context(), STEPS.pipeline, TRACE)
    assert world.alarms() == {"not_started"}
    assert run_slot(world.context(), STEPS.pipeline, TRACE) == "this slot has run"
