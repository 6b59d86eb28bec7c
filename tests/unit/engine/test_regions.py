"""Regions that stand in for each other: who does whose work, and what a region finds when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.contexts import A, B, Steps, World, entries

from lumen_workers.domain.errors import NetworkError
from lumen_workers.domain.regions import drain_switch
from lumen_workers.domain.runs import Cause, OwedState, Run, RunStatus
from lumen_workers.engine.declare import Tick
from lumen_workers.engine.flow import CROSS_VERIFY, advance, claim_name, start
from lumen_workers.engine.reconcile import reconcile
from lumen_workers.engine.regions import look_at
from lumen_workers.engine.requests import REQUEST, ask
from lumen_workers.engine.ticks import run_slot, run_tick

C = "eu-central-1"
DAY = date(2026, 1, 31)
TRACE = "ab" * 16
STEPS = Steps()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, regions=(A, B, C))
    yield made
    made.close()


def alive(world: World, *regions: str) -> None:
    """Signs of life and a reconcile tick of each region, now."""
    for region in regions:
        world.store.pulses.beat(region, "jobs", "host", f"{region}/host/1", "01" * 32)
        world.store.ticks.claim("reconcile", region, int(world.clock.monotonic() * 1_000_000))


def look(world: World, region: str) -> None:
    reconcile(world.context(region), {"daily": STEPS.pipeline})


def turn(world: World) -> list[str]:
    said = []
    while messages := world.outbox.take():
        for m in messages:
            name = m.task.rpartition(".")[2]
            if name in ("build", "freeze", "verify"):
                ctx = world.context(m.region)
                said.append(advance(ctx, STEPS.pipeline, name, m.payload["run_id"], m.payload["attempt"]))
    return said


def newest(world: World, region: str) -> Run:
    return max(world.store.runs.rows(region=region), key=lambda run: (run.queued_at, run.attempt))


def test_a_region_works_for_itself_while_it_lives_and_consumes(world: World) -> None:
    alive(world, A, B)
    world.clock.advance(29)
    assert look_at(world.context(B)).executor(A) == A
    world.clock.advance(2)
    regions = look_at(world.context(B))
    assert (regions.alive(A), regions.executor(A), regions.executor(B)) == (False, B, B)
    alive(world, A)
    world.clock.advance(31)
    world.store.pulses.beat(A, "jobs", "host", f"{A}/host/1", "01" * 32)
    regions = look_at(world.context(B))
    assert (regions.alive(A), regions.consuming(A), regions.executor(A)) == (True, False, B), "its lane does nothing"


def test_a_region_that_works_without_a_pulse_is_not_silent_to_anybody(world: World) -> None:
    alive(world, A, B)
    for _ in range(20):
        world.clock.advance(5)
        alive(world, B)
        for region in (A, B):
            run_tick(world.context(region), Tick(name="reconcile", run=lambda ctx: reconcile(ctx, {})))
    assert look_at(world.context(B)).executor(A) == A
    assert world.store.notices.alarms() == [], "neither raised by one region nor ended by the other, again and again"


def test_the_first_stand_in_that_can_is_the_one(world: World) -> None:
    alive(world, A, B, C)
    world.clock.advance(31)
    alive(world, C)
    regions = look_at(world.context(C))
    assert (regions.executor(A), regions.executor(B), regions.executor(C)) == (C, C, C)
    world.store.switches.turn_on(drain_switch(C), "kim")
    alone = look_at(world.context(C))
    assert (alone.executor(A), alone.executor(C)) == (None, None)


def test_a_silent_regions_run_is_taken_over_as_a_new_attempt_and_its_late_message_is_stale(world: World) -> None:
    alive(world, A, B, C)
    first = start(world.context(A), STEPS.pipeline, DAY, TRACE)
    [late] = world.outbox.take()
    world.clock.advance(31)
    alive(world, B, C)
    look(world, C)
    assert newest(world, A).attempt == 1, "B is the first stand-in"
    look(world, B)
    second = newest(world, A)
    assert (second.attempt, second.region, second.assigned, second.cause) == (2, A, B, Cause.TAKEOVER)
    assert (second.run_id, second.follows, second.trace_id) == (f"{first.run_id}.2", first.run_id, TRACE)
    turn(world)
    done = world.store.runs.get(second.run_id)
    assert (done.status, done.executed_by, done.winner) == (RunStatus.DONE, B, True)
    [result] = world.store.runs.results("daily")
    assert result.region == B
    said = advance(world.context(A), STEPS.pipeline, "build", late.payload["run_id"], late.payload["attempt"])
    assert said == f"stale: {first.run_id} is lost"
    assert {alarm.kind for alarm in world.store.notices.alarms(standing=True)} == {"region_silent"}
    alive(world, A)
    look(world, B)
    assert world.store.notices.alarms(standing=True) == []


def test_a_worker_of_a_silent_region_that_wakes_up_in_the_middle_of_a_stage_is_fenced(world: World) -> None:
    alive(world, A, B)
    run = start(world.context(A), STEPS.pipeline, DAY, TRACE)
    world.outbox.take()
    lease = world.store.leases.acquire(claim_name(run), "asleep", timedelta(seconds=10))
    assert lease is not None
    world.store.runs.start(run.run_id, A, lease)
    world.clock.advance(31)
    alive(world, B)
    look(world, B)
    turn(world)
    assert newest(world, A).status is RunStatus.DONE
    with pytest.raises(Exception, match="epoch 1 of asleep is over"):
        world.store.runs.finish(run.run_id, lease, digest="late")
    assert len(world.store.runs.results("daily")) == 1


def test_a_region_that_has_never_worked_owes_nothing(world: World) -> None:
    alive(world, A)
    look(world, A)
    world.clock.advance(24 * 3600)
    alive(world, A)
    look(world, A)
    assert {m.region for m in world.outbox.take()} == {A}
    assert world.alarms() == set()


def test_a_silent_regions_slot_is_done_in_its_name_unless_the_day_has_its_result(world: World) -> None:
    alive(world, A, B)
    for region in (A, B):
        look(world, region)
    world.outbox.take()
    world.clock.advance(22 * 3600)  # 10:00 in Seoul, past 09:05
    alive(world, B)
    look(world, B)
    mine, theirs = world.outbox.take()
    assert (mine.task, mine.region) == ("lumen.daily.build", B)
    assert newest(world, A).cause is Cause.TAKEOVER
    assert (theirs.task, theirs.region, theirs.payload.get("day")) == ("lumen.daily", B, None)
    run_slot(world.context(B), STEPS.pipeline, TRACE)
    for run in world.store.runs.open():
        for stage in ("build", "freeze", "verify"):
            advance(world.context(B), STEPS.pipeline, stage, run.run_id, run.attempt)
    world.outbox.take()
    days = {run.day for run in world.store.runs.rows()}
    assert days == {date(2026, 2, 1)}
    world.clock.advance(24 * 3600)
    alive(world, B)
    run_slot(world.context(B), STEPS.pipeline, "cd" * 16)
    turn(world)
    look(world, B)
    assert [run.day for run in world.store.runs.rows(region=A)] == [date(2026, 2, 1)], "B's own run is the day's result"
    alive(world, A)
    look(world, A)
    sent = [(m.task, m.region) for m in world.outbox.take() if m.task == "lumen.daily"]
    assert sent == [("lumen.daily", A)], "A makes up for it when it is back"


def test_a_drained_region_finishes_what_it_began_and_takes_nothing_new(world: World) -> None:
    alive(world, A, B)
    begun = start(world.context(A), STEPS.pipeline, DAY, TRACE)
    [message] = world.outbox.take()
    advance(world.context(A), STEPS.pipeline, "build", begun.run_id, 1)
    world.store.switches.turn_on(drain_switch(A), "kim", "new disk")
    turn(world)
    assert world.store.runs.get(begun.run_id).status is RunStatus.DONE
    world.clock.advance(1)
    waiting = start(world.context(A), STEPS.pipeline, date(2026, 1, 30), TRACE)
    assert turn(world) == [f"drained: {A} takes nothing new, {waiting.run_id} is left to its stand-in"]
    world.clock.advance(9)
    alive(world, A, B)
    look(world, A)
    assert newest(world, A).run_id == waiting.run_id, "a drained region's reconciler starts nothing"
    look(world, B)
    taken = newest(world, A)
    assert (taken.day, taken.assigned, taken.cause) == (date(2026, 1, 30), B, Cause.TAKEOVER)
    turn(world)
    assert world.store.runs.get(taken.run_id).status is RunStatus.DONE
    assert world.alarms() == set(), "a drained region is not silent"
    assert message.region == A


def test_an_owed_cross_verification_of_a_silent_region_goes_to_another_that_has_not_won(world: World) -> None:
    alive(world, A, B, C)
    start(world.context(A), STEPS.pipeline, DAY, TRACE)
    turn(world)
    [row] = world.store.owed.rows(CROSS_VERIFY)
    assert (row.region, row.state) == (B, OwedState.DUE)
    world.clock.advance(62)
    alive(world, A, C)
    look(world, A)
    look(world, C)
    assert [(m.task, m.region) for m in world.outbox.take()] == [("lumen.cross_verify", C)]
    [row] = world.store.owed.rows(CROSS_VERIFY)
    assert row.region == C


def test_the_winner_is_not_asked_to_verify_itself(tmp_path: Path) -> None:
    world = World(tmp_path, regions=(A, B))
    alive(world, A, B)
    start(world.context(A), STEPS.pipeline, DAY, TRACE)
    turn(world)
    world.clock.advance(62)
    alive(world, A)
    look(world, A)
    assert world.outbox.take() == []
    world.close()


def request(world: World, region: str) -> None:
    ask(world.store, world.outbox, "daily", DAY, region=region, trace_id=TRACE)


def asked(world: World) -> list[tuple[str, str, Any]]:
    return [(m.task, m.region, m.payload.get("day")) for m in world.outbox.take()]


def test_a_request_whose_message_is_lost_is_sent_again(world: World) -> None:
    alive(world, A)
    request(world, A)
    assert asked(world) == [("lumen.daily", A, "2026-01-31")]
    look(world, A)
    assert asked(world) == []
    world.clock.advance(16)
    alive(world, A)
    look(world, A)
    assert asked(world) == [("lumen.daily", A, "2026-01-31")]
    run = start(world.context(A), STEPS.pipeline, DAY, TRACE)
    world.outbox.take()
    world.clock.advance(31)
    alive(world, A)
    look(world, A)
    [row] = world.store.owed.rows(REQUEST)
    assert (row.state, row.detail) == (OwedState.DONE, run.run_id)


def test_a_request_to_a_region_that_nobody_serves_is_done_by_another(world: World) -> None:
    alive(world, B)
    request(world, A)
    world.outbox.take()
    world.clock.advance(16)
    alive(world, B)
    look(world, B)
    run = newest(world, A)
    assert (run.assigned, run.cause, run.trace_id) == (B, Cause.TAKEOVER, TRACE)
    assert world.store.owed.rows(REQUEST)[0].state is OwedState.DONE


def test_a_request_that_no_broker_takes_is_not_owed(world: World) -> None:
    world.outbox.error = NetworkError("away")
    with pytest.raises(NetworkError):
        request(world, A)
    world.outbox.error = None
    assert world.store.owed.rows(REQUEST)[0].state is OwedState.FAILED
    world.clock.advance(60)
    look(world, A)
    assert asked(world) == []


def test_a_lost_message_is_known_by_its_empty_queue_within_seconds(world: World) -> None:
    alive(world, A)
    start(world.context(A), STEPS.pipeline, DAY, TRACE)
    world.outbox.take()  # flushed
    for waiting, expected in ((3, 1), (0, 2)):
        world.outbox.waiting = waiting
        world.clock.advance(4.5)
        alive(world, A)
        look(world, A)
        assert newest(world, A).attempt == expected
    assert [m.payload["attempt"] for m in world.outbox.take()] == [2]


def test_a_day_that_every_region_fails_calls_somebody_once_and_is_over_with_its_result(world: World) -> None:
    def full(_: object) -> None:
        raise PermissionError(13, "no")

    steps = Steps(hooks={"build": full})
    world.clock.advance(22 * 3600)
    alive(world, A, B)
    for region in (A, B):
        run_slot(world.context(region), steps.pipeline, TRACE)
        [message] = [m for m in world.outbox.take() if m.task == "lumen.daily.build"]
        with pytest.raises(PermissionError):
            advance(world.context(region), steps.pipeline, "build", message.payload["run_id"], 1)
        look(world, A)
    [alarm] = [a for a in world.store.notices.alarms() if a.kind == "day_failed"]
    assert (alarm.key, alarm.severity.value) == ("day/daily/2026-02-01", "page")
    look(world, B)
    assert [t.value for t in world.store.tallies.rows("lumen_days_failed_total")] == [1]
    start(world.context(A), STEPS.pipeline, date(2026, 2, 1), TRACE)
    turn(world)
    standing = {a.kind for a in world.store.notices.alarms(standing=True)}
    assert "day_failed" not in standing


def test_regions_begin_apart_and_each_at_the_same_moment_however_often_it_is_asked(world: World) -> None:
    data = {
        "daily": {"run": "daily", "cron": "5 9 * * *", "spread_s": 300},
        "reconcile": {"run": "reconcile", "every_s": 5},
    }
    schedule = entries(world.regions, data=data)
    world.clock.advance(22 * 3600)
    starts = []
    for region in (A, B, C):
        ctx = world.context(region, schedule=schedule)
        run_slot(ctx, STEPS.pipeline, TRACE)
        run_slot(ctx, STEPS.pipeline, TRACE)
        [run] = world.store.runs.rows(region=region)
        assert run.not_before is not None
        starts.append((run.not_before - world.clock.now()).total_seconds())
    assert world.outbox.take() == [], "it is not their time yet"
    assert len(set(starts)) == 3
    assert all(0 <= wait <= 300 for wait in starts)
    world.clock.advance(max(starts) + 1)
    for region in (A, B, C):
        alive(world, region)
        reconcile(world.context(region, schedule=schedule), {"daily": STEPS.pipeline})
    assert {(m.task, m.region) for m in world.outbox.take()} == {("lumen.daily.build", r) for r in (A, B, C)}


def test_times_are_compared_in_store_time_only(world: World) -> None:
    assert isinstance(look_at(world.context(A)).now, datetime)
    assert look_at(world.context(A)).now == world.store.now()
