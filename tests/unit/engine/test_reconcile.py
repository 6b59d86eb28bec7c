"""What is owed and nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.contexts import A, B, Steps, World
from support.store_records import verdict

from lumen_workers.domain.errors import BuildError, NetworkError, StoreUnavailable
from lumen_workers.domain.runs import OwedState, Run, RunStatus, Seal, StageRun, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.flow import CROSS_VERIFY, MAX_LOST, advance, claim_name, start
from lumen_workers.engine.reconcile import reconcile, take_over
from lumen_workers.engine.ticks import run_slot

DAY = date(2026, 1, 31)
TRACE = "ab" * 16
STEPS = Steps()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def look(world: World, region: str = A, **changes: Any) -> str:
    return reconcile(world.context(region, **changes), {"daily": STEPS.pipeline})


def unscheduled(world: World, region: str = A) -> str:
    return look(world, region, schedule={})


def alive(world: World, *regions: str) -> None:
    """A sign of life of each region's jobs lane, now."""
    for region in regions:
        world.store.pulses.beat(region, "jobs", "host", f"{region}/host/1", "01" * 32)


def finished(world: World, region: str = A) -> Run:
    ctx = world.context(region)
    run = start(ctx, STEPS.pipeline, DAY, TRACE)
    for stage in ("build", "freeze", "verify"):
        advance(ctx, STEPS.pipeline, stage, run.run_id, run.attempt)
    world.outbox.take()
    return world.store.runs.get(run.run_id)


def begun(world: World, ctx: Context) -> Run:
    """A run whose worker has died in the middle of its first stage."""
    run = start(ctx, STEPS.pipeline, DAY, TRACE)
    lease = world.store.leases.acquire(claim_name(run), "dead", ctx.lease_ttl)
    assert lease is not None
    world.store.runs.start(run.run_id, ctx.region, lease)
    row = StageRun(run_id=run.run_id, name="build", status=StageStatus.RUNNING, started=world.clock.now())
    world.store.runs.stage_started(row, lease)
    world.outbox.take()
    return run


def test_a_dead_workers_run_is_lost_when_its_claim_has_run_out_and_the_next_attempt_goes_out(world: World) -> None:
    run = begun(world, world.context())
    unscheduled(world)
    assert world.store.runs.get(run.run_id).status is RunStatus.RUNNING
    world.clock.advance(10)
    assert unscheduled(world).startswith("1 runs revived")
    runs = {r.attempt: r for r in world.store.runs.rows()}
    assert (runs[1].status, runs[2].status, runs[2].trace_id) == (RunStatus.LOST, RunStatus.QUEUED, TRACE)
    assert [(m.task, m.payload["attempt"]) for m in world.outbox.take()] == [("lumen.daily.build", 2)]
    assert unscheduled(world).startswith("0 runs revived")


def test_another_regions_run_is_left_to_it_while_it_lives(world: World) -> None:
    run = begun(world, world.context())
    world.clock.advance(3600)
    alive(world, A)
    unscheduled(world, B)
    assert world.store.runs.get(run.run_id).status is RunStatus.RUNNING


def test_a_lost_message_is_sent_again_after_a_minute(world: World) -> None:
    start(world.context(), STEPS.pipeline, DAY, TRACE)
    world.outbox.take()  # flushed
    world.clock.advance(60)
    unscheduled(world)
    assert world.outbox.sent == []
    world.clock.advance(1)
    unscheduled(world)
    assert [m.payload["attempt"] for m in world.outbox.take()] == [2]


def test_a_message_lost_between_two_stages_is_made_up_for_too(world: World) -> None:
    ctx = world.context()
    run = start(ctx, STEPS.pipeline, DAY, TRACE)
    advance(ctx, STEPS.pipeline, "build", run.run_id, 1)
    world.outbox.take()
    world.clock.advance(61)
    unscheduled(world)
    assert [m.payload["attempt"] for m in world.outbox.take()] == [2]


def test_a_queue_that_is_only_long_is_left_in_peace_in_the_end(world: World) -> None:
    """Each loss doubles the patience; otherwise a run that waits for two minutes would be sent again for ever."""
    start(world.context(), STEPS.pipeline, DAY, TRACE)
    sent = []
    for _ in range(40):
        world.clock.advance(10)
        unscheduled(world)
        sent.append(len(world.outbox.take()))
    assert sum(sent) == 1 + 2, "asked once, and revived after 60 and after 120 more seconds; not before 240 more"


def test_a_run_that_kills_every_worker_ends_in_an_alarm(world: World) -> None:
    ctx = world.context()
    begun(world, ctx)
    for _ in range(3 * MAX_LOST):
        world.clock.advance(11)
        unscheduled(world)
        if world.outbox.take():
            run = world.store.runs.rows()[0]
            lease = world.store.leases.acquire(claim_name(run), "dies", ctx.lease_ttl)
            assert lease is not None
            world.store.runs.start(run.run_id, A, lease)
            row = StageRun(run_id=run.run_id, name="build", status=StageStatus.RUNNING, started=world.clock.now())
            world.store.runs.stage_started(row, lease)
    assert [run.status for run in world.store.runs.rows()] == [RunStatus.LOST] * MAX_LOST
    assert world.alarms() == {"run_lost"}


def test_a_crash_between_losing_a_run_and_starting_the_next_is_made_up_for(world: World) -> None:
    run = begun(world, world.context())
    world.store.runs.lose(run.run_id, "a/host/1", "no sign of life")
    assert unscheduled(world).startswith("1 runs revived")
    assert [m.payload["attempt"] for m in world.outbox.take()] == [2]


def test_a_run_that_goes_on_between_two_looks_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of open runs is old when it is looked at: the stage that it shows as running may have ended since."""
    ctx = world.context()
    run = start(ctx, STEPS.pipeline, DAY, TRACE)
    world.outbox.take()
    fresh = world.store.runs.open
    listed: list[StageRun] = []

    def stale() -> list[Run]:
        if not listed:
            seen = StageRun(run_id=run.run_id, name="build", status=StageStatus.RUNNING, started=world.clock.now())
            listed.append(seen)
            rows = [Run(**{**row.__dict__, "stages": (seen,)}) for row in fresh()]
            advance(ctx, STEPS.pipeline, "build", run.run_id, 1)
            return rows
        return fresh()

    monkeypatch.setattr(world.store.runs, "open", stale)
    unscheduled(world)
    assert world.store.runs.get(run.run_id).status is RunStatus.RUNNING


def test_a_claim_that_is_taken_during_the_look_saves_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(world, world.context())
    world.clock.advance(11)
    get = world.store.runs.get

    def taken_meanwhile(run_id: str) -> Run:
        found = get(run_id)
        world.store.leases.acquire(claim_name(run), "successor", timedelta(seconds=10))
        return found

    monkeypatch.setattr(world.store.runs, "get", taken_meanwhile)
    unscheduled(world)
    monkeypatch.undo()
    assert world.store.runs.get(run.run_id).status is RunStatus.RUNNING


def test_alarms_that_a_dead_worker_had_yet_to_raise_are_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(world)
    monkeypatch.setattr(STEPS, "root", lambda _: "ff" * 32)
    with monkeypatch.context() as patch:
        patch.setattr(world.store.notices, "raise_alarm", lambda *_, **__: True)
        finished(world, B)
        run = start(world.context(), STEPS.pipeline, date(2026, 1, 30), TRACE)
        world.store.runs.fail(run.run_id, None, verdict=verdict("build"), error="no")
    assert world.alarms() == set()
    alive(world, B)
    unscheduled(world)
    assert world.alarms() == {"run_failed"}, "each region tells its own"
    unscheduled(world, B)
    assert world.alarms() == {"digest_mismatch", "run_failed"}


def test_an_owed_cross_verification_goes_to_its_region_again_and_again(world: World) -> None:
    finished(world)
    unscheduled(world, B)
    assert world.outbox.take() == [], "the winner has just asked"
    world.clock.advance(61)
    unscheduled(world, A)
    assert world.outbox.take() == [], "it is not A's to do"
    unscheduled(world, B)
    asked = [(m.task, m.region, m.payload["trace_id"]) for m in world.outbox.take()]
    assert asked == [(f"lumen.{CROSS_VERIFY}", B, TRACE)], "it belongs to the run that it looks at"


@pytest.mark.parametrize("region", [A, B])
def test_a_cross_verification_that_stays_owed_is_an_alarm_wherever_it_is_seen(world: World, region: str) -> None:
    finished(world)
    world.clock.advance(3600)
    unscheduled(world, region)
    assert world.alarms() == set()
    world.clock.advance(61)
    unscheduled(world, region)
    unscheduled(world, region)
    assert [(alarm.kind, alarm.trace_id) for alarm in world.store.notices.alarms()] == [("cross_verify_overdue", TRACE)]
    assert B in world.store.notices.alarms()[0].detail


def test_a_settled_cross_verification_is_never_overdue(world: World) -> None:
    finished(world)
    world.store.owed.settle(CROSS_VERIFY, "daily/2026-01-31/r1", OwedState.DONE, by=B)
    world.clock.advance(7200)
    unscheduled(world, B)
    assert (world.alarms(), world.outbox.sent) == (set(), [])


def at(world: World, hours: float) -> None:
    """Go to so many hours after 12:00 in Seoul on 2026-02-01."""
    world.clock.advance(hours * 3600 - world.clock.monotonic())


def asked_for(world: World, region: str = A) -> list[str | None]:
    return [m.payload.get("day") for m in world.outbox.take() if m.task == "lumen.daily" and m.region == region]


def close_day(world: World, day: date | None = None, region: str = A) -> None:
    ctx = world.context(region)
    if day is None:
        run_slot(ctx, STEPS.pipeline, TRACE)
    else:
        start(ctx, STEPS.pipeline, day, TRACE)
    for message in world.outbox.take():
        for stage in ("build", "freeze", "verify"):
            advance(ctx, STEPS.pipeline, stage, message.payload["run_id"], message.payload["attempt"])
    world.outbox.take()


def test_slots_before_the_region_was_there_are_not_owed(world: World) -> None:
    look(world)
    at(world, 20)
    look(world)
    assert asked_for(world) == []


def test_a_slot_that_no_beat_fired_is_fired_after_a_minute_by_each_region_for_itself(world: World) -> None:
    look(world)
    at(world, 21 + 5 / 60 + 59 / 3600)
    look(world)
    assert asked_for(world) == [], "it is the beat's for a minute"
    at(world, 21 + 5 / 60 + 61 / 3600)
    look(world)
    assert asked_for(world) == [None]
    close_day(world)
    assert world.store.runs.rows()[0].day == date(2026, 2, 1)
    look(world)
    assert asked_for(world) == []
    look(world, B)
    assert asked_for(world, B) == [], "B had not been there"


def test_days_of_a_week_without_any_worker_are_closed_one_after_the_other(world: World) -> None:
    look(world)
    at(world, 24 * 4)
    closed = []
    for _ in range(10):
        look(world)
        for day in asked_for(world):
            closed.append(day)
            close_day(world, date.fromisoformat(day) if day else None)
    assert closed == ["2026-02-01", "2026-02-02", "2026-02-03", None]
    seals = [world.store.runs.seals("daily", date(2026, 2, n))[0] for n in (1, 2, 3, 4)]
    digests = [r.digest for r in world.store.runs.results("daily")]
    assert [seal.prev_digest for seal in seals] == [None, *digests[:3]]


def test_only_a_week_is_made_up_for(world: World) -> None:
    look(world)
    at(world, 24 * 30)
    look(world)
    assert asked_for(world) == ["2026-02-24"]


def test_a_provisional_revision_does_not_close_a_day(world: World) -> None:
    look(world)
    close_day(world, date(2026, 2, 1))
    at(world, 24 * 2)
    look(world)
    assert asked_for(world) == ["2026-02-01"]


def test_while_a_day_is_built_no_other_is_asked_for(world: World) -> None:
    look(world)
    at(world, 24 * 3)
    start(world.context(), STEPS.pipeline, date(2026, 2, 1), TRACE)
    world.outbox.take()
    look(world)
    assert asked_for(world) == []


def test_one_thing_that_cannot_be_put_right_keeps_nothing_else_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(world)
    lost = start(world.context(), STEPS.pipeline, date(2026, 1, 30), TRACE)
    world.store.runs.lose(lost.run_id, "a/host/1", "no sign of life")
    world.clock.advance(3700)

    def broken(*_: object) -> Seal:
        raise BuildError("no")

    monkeypatch.setattr("lumen_workers.engine.flow.seal_for", broken)
    world.outbox.take()
    with pytest.raises(BuildError):
        unscheduled(world, A)
    assert world.alarms() == {"cross_verify_overdue"}


def test_without_a_store_nothing_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(world, world.context())
    world.clock.advance(11)

    def away(*_: str) -> bool:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store.runs, "lose", away)
    with pytest.raises(StoreUnavailable):
        unscheduled(world)


def test_a_broker_that_is_away_leaves_the_slot_owed(world: World) -> None:
    look(world)
    at(world, 22)
    world.outbox.error = NetworkError("away")
    with pytest.raises(NetworkError):
        look(world)
    world.outbox.error = None
    look(world)
    assert asked_for(world) == [None]


def test_by_hand_an_abandoned_run_is_taken_over_without_waiting(world: World) -> None:
    ctx = world.context()
    run = begun(world, ctx)
    assert take_over(ctx, STEPS.pipeline, run) is run, "somebody holds it"
    world.clock.advance(11)
    following = take_over(ctx, STEPS.pipeline, run)
    assert (following.attempt, world.store.runs.get(run.run_id).status) == (2, RunStatus.LOST)
    assert take_over(ctx, STEPS.pipeline, world.store.runs.get(run.run_id)).status is RunStatus.LOST
