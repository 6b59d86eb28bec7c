"""A process that ends between two steps, a person who decides between two looks: what picks it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.contexts import A, B, Steps, World
from support.store_records import verdict

from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.domain.errors import InDoubt
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import LetterState, SendState
from lumen_workers.domain.regions import drain_switch
from lumen_workers.domain.runs import Cause, Run, RunStatus
from lumen_workers.engine import tickets
from lumen_workers.engine.flow import MAX_LOST, advance, claim_name, restart, start
from lumen_workers.engine.outbox import HOLD, deliver
from lumen_workers.engine.reconcile import reconcile
from lumen_workers.engine.regions import look_at
from lumen_workers.pipelines.failures import POLICIES

DAY = date(2026, 1, 20)
TRACE = "ab" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def alive(world: World, *regions: str) -> None:
    for region in regions:
        world.store.pulses.beat(region, "jobs", "host", f"{region}/host/1", "01" * 32)
        world.store.ticks.claim("reconcile", region, int(world.clock.monotonic() * 1_000_000))


def look(world: World, region: str = A, **changes: Any) -> None:
    reconcile(world.context(region, **changes), {"daily": Steps().pipeline})


def fail(world: World, region: str = A, day: date = DAY, trace: str = TRACE, **changes: Any) -> Run:
    """An attempt that fails for good in its first stage."""

    def full(_: object) -> None:
        raise PermissionError(13, "no")

    steps = Steps(hooks={"build": full})
    ctx = world.context(region, **changes)
    run = start(ctx, steps.pipeline, day, trace)
    world.outbox.take()
    with suppress(PermissionError):
        advance(ctx, steps.pipeline, "build", run.run_id, run.attempt)
    return world.store.runs.get(run.run_id)


def succeed(world: World, region: str = A, day: date = DAY, trace: str = TRACE) -> Run:
    ctx, steps = world.context(region), Steps()
    run = start(ctx, steps.pipeline, day, trace)
    for stage in ("build", "freeze", "verify"):
        advance(ctx, steps.pipeline, stage, run.run_id, run.attempt)
    world.outbox.take()
    return world.store.runs.get(run.run_id)


def standing(world: World) -> list[str]:
    return [alarm.kind for alarm in world.store.notices.alarms(standing=True)]


def dies(*_: object, **__: object) -> None:
    raise ZeroDivisionError


# ---------------------------------------------------------------- failures and their tickets


def test_failures_that_are_over_are_not_told_again(world: World) -> None:
    fail(world)
    fail(world)
    world.clock.advance(1)
    succeed(world)
    for _ in range(3):
        look(world)
    assert standing(world) == []
    assert len(world.store.notices.letters()) == 2


def test_a_ticket_that_a_person_has_resolved_stays_resolved(world: World) -> None:
    run = fail(world)
    world.clock.advance(1)
    world.store.notices.resolve(tickets.ticket_key(run, "build"), "a/h/kim")
    for _ in range(3):
        look(world)
    assert standing(world) == []


def test_a_class_without_ticket_has_one_letter_whatever_becomes_of_it(world: World) -> None:
    policies = {**POLICIES, "environment": replace(POLICIES["environment"], ticket=False)}
    fail(world, policies=policies)
    [letter] = world.store.notices.letters()
    world.store.notices.handle(letter.letter_id, LetterState.DISCARDED, "a/h/kim")
    for _ in range(3):
        look(world, policies=policies)
    assert len(world.store.notices.letters()) == 1
    assert world.alarms() == set()


def test_what_a_stand_in_that_died_had_yet_to_tell_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(hooks={"build": lambda _: (_ for _ in ()).throw(PermissionError(13, "no"))})
    alive(world, A)
    ctx = world.context(A)
    run = start(ctx, steps.pipeline, DAY, TRACE, region=B, cause=Cause.TAKEOVER)
    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.engine.tickets.give_up", dies)
        with pytest.raises(ZeroDivisionError):
            advance(ctx, steps.pipeline, "build", run.run_id, 1)
    assert world.alarms() == set()
    look(world, A)
    assert world.alarms() == {"run_failed"}


def test_alarms_that_a_winner_that_died_had_yet_to_close_are_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(world)
    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.engine.tickets.close", dies)
        succeed(world)
    assert standing(world) == ["run_failed"]
    look(world)
    assert standing(world) == []


def test_an_alarm_of_an_older_version_keeps_nothing_from_closing(world: World) -> None:
    world.store.notices.raise_alarm("run/old", "run_failed", AlarmSeverity.PAGE, "raised without facts")
    fail(world)
    succeed(world)
    assert standing(world) == ["run_failed"]
    [left] = world.store.notices.alarms(standing=True)
    assert left.key == "run/old"


def test_a_digest_that_differs_pages_once_and_not_again_when_it_was_seen(world: World) -> None:
    succeed(world)
    odd, ctx = Steps(root=lambda _: "ff" * 32), world.context(B)
    run = start(ctx, odd.pipeline, DAY, TRACE)
    for stage in ("build", "freeze", "verify"):
        advance(ctx, odd.pipeline, stage, run.run_id, 1)
    assert standing(world) == ["digest_mismatch"]
    world.store.notices.resolve(f"digest/{run.run_id}", "a/h/kim")
    for _ in range(3):
        look(world, B)
    assert standing(world) == []


def test_losses_are_counted_anew_when_somebody_asks_and_their_alarm_stays_resolved(world: World) -> None:
    ctx, pipeline = world.context(), Steps().pipeline
    run: Run | None = start(ctx, pipeline, DAY, TRACE)
    for _ in range(MAX_LOST):
        assert run is not None
        world.store.runs.lose(run.run_id, "a/h/1", "gone")
        last, run = run, restart(ctx, pipeline, run)
    assert run is None
    world.store.notices.resolve(f"lost/{last.run_id}", "a/h/kim")
    look(world)
    assert standing(world) == []
    asked = start(ctx, pipeline, DAY, "cd" * 16)
    world.store.runs.lose(asked.run_id, "a/h/1", "gone")
    assert restart(ctx, pipeline, asked) is not None, "it is the first loss of what was asked for"


# ---------------------------------------------------------------- the day


def test_a_day_that_another_region_has_yet_to_begin_is_not_failed(world: World) -> None:
    alive(world, A, B)
    world.clock.advance(22 * 3600)
    alive(world, A, B)
    fail(world, A, date(2026, 2, 1))
    look(world, A)
    assert "day_failed" not in world.alarms()
    fail(world, B, date(2026, 2, 1))
    look(world, A)
    assert "day_failed" in world.alarms()
    for _ in range(3):
        world.store.notices.resolve("day/daily/2026-02-01", "a/h/kim")
        look(world, A)
    assert [t.value for t in world.store.tallies.rows("lumen_days_failed_total")] == [1]


def test_a_provisional_run_that_failed_is_not_the_day(world: World) -> None:
    fail(world, A, date(2026, 2, 1))  # at noon of that day
    world.clock.advance(22 * 3600)
    alive(world, A)
    look(world, A)
    assert "day_failed" not in world.alarms()


# ---------------------------------------------------------------- the outbox


def raise_one(world: World) -> None:
    world.store.notices.raise_alarm("k", "day_failed", AlarmSeverity.PAGE, "it failed", trace_id=TRACE)


def test_a_region_that_cannot_send_leaves_it_to_another(world: World) -> None:
    raise_one(world)

    def broken() -> dict[str, MemoryChannel]:
        raise PermissionError(13, "no")

    deliver(world.context(A, channels=broken))
    [send] = world.store.sends.rows()
    assert send.state is SendState.DUE
    world.clock.advance(60)
    deliver(world.context(B))
    assert len(world.memory.told) == 1


def test_what_was_taken_is_sent_though_the_cleaning_up_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_one(world)
    settle = world.store.sends.settle

    def slow(*args: Any, **kwargs: Any) -> bool:
        world.clock.advance(HOLD.total_seconds() + 1)
        world.store.sends.doubt()
        return settle(*args, **kwargs)

    monkeypatch.setattr(world.store.sends, "settle", slow)
    deliver(world.context())
    assert [send.state for send in world.store.sends.rows()] == [SendState.SENT]
    assert len(world.memory.told) == 1


def test_a_doubt_that_nobody_was_told_of_is_told_later_and_only_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_one(world)
    world.memory.fail_next(InDoubt("?"), taken=True)
    with monkeypatch.context() as patch:
        patch.setattr(world.store.notices, "raise_alarm", dies)
        with pytest.raises(ZeroDivisionError):
            deliver(world.context())
    assert world.alarms() == {"day_failed"}
    deliver(world.context())
    assert "send_in_doubt" in world.alarms()
    [key] = [a.key for a in world.store.notices.alarms() if a.kind == "send_in_doubt"]
    world.store.notices.resolve(key, "a/h/kim")
    deliver(world.context())
    assert "send_in_doubt" not in standing(world)


def test_what_was_over_before_it_went_out_is_not_told(world: World) -> None:
    raise_one(world)
    world.store.notices.resolve("k", "a/h/kim")
    deliver(world.context())
    assert world.memory.told == []


def test_a_drained_region_sends_nothing_while_another_can(world: World) -> None:
    raise_one(world)
    alive(world, A, B)
    world.store.switches.turn_on(drain_switch(A), "kim")
    assert deliver(world.context(A)).startswith("drained")
    assert world.memory.told == []
    world.clock.advance(31)
    deliver(world.context(A))
    assert len(world.memory.told) == 1, "B is silent, so A tells it all the same"


# ---------------------------------------------------------------- regions


def test_a_region_that_stays_silent_stays_told(world: World) -> None:
    alive(world, A, B)
    world.clock.advance(60)
    alive(world, A)
    look(world, A)
    assert standing(world) == ["region_silent"]
    world.clock.advance(8 * 86_400)
    alive(world, A)
    look(world, A)
    look(world, A)
    assert "region_silent" in standing(world)


def test_a_region_whose_ticks_wait_behind_long_work_is_not_taken_for_silent(world: World) -> None:
    alive(world, A, B)
    run = start(world.context(B), Steps().pipeline, DAY, TRACE)
    world.clock.advance(40)
    lease = world.store.leases.acquire(claim_name(run), f"{B}/host/2", timedelta(seconds=10))
    assert lease is not None
    world.store.pulses.beat(B, "jobs", "host", f"{B}/host/1", "01" * 32)
    assert look_at(world.context(A)).executor(B) == B
    world.store.leases.release(lease)
    assert look_at(world.context(A)).executor(B) == A


def test_a_drained_region_without_a_stand_in_finishes_what_it_began(tmp_path: Path) -> None:
    world = World(tmp_path, regions=(A,))
    alive(world, A)
    ctx, pipeline = world.context(), Steps().pipeline
    run = start(ctx, pipeline, DAY, TRACE)
    advance(ctx, pipeline, "build", run.run_id, 1)
    world.outbox.take()  # the worker dies, and its message with it
    waiting = start(ctx, pipeline, date(2026, 1, 30), TRACE)
    world.outbox.take()
    world.store.switches.turn_on(drain_switch(A), "kim")
    for _ in range(30):
        world.clock.advance(5)
        alive(world, A)
        look(world)
        for m in world.outbox.take():
            if (name := m.task.rpartition(".")[2]) in ("build", "freeze", "verify"):
                advance(ctx, pipeline, name, m.payload["run_id"], m.payload["attempt"])
                for m2 in world.outbox.sent:
                    assert m2.region == A
    runs = {r.day: r for r in sorted(world.store.runs.rows(), key=lambda r: r.attempt)}
    assert runs[DAY].status is RunStatus.DONE
    assert world.store.runs.get(waiting.run_id).status is RunStatus.QUEUED
    world.close()


# ---------------------------------------------------------------- messages


def test_a_message_in_another_regions_lane_does_nothing(world: World) -> None:
    run = start(world.context(A), Steps().pipeline, DAY, TRACE)
    assert advance(world.context(B), Steps().pipeline, "build", run.run_id, 1).startswith("stale")
    assert world.store.runs.get(run.run_id).status is RunStatus.QUEUED


def test_a_run_that_begins_before_its_time_is_looked_after(world: World) -> None:
    alive(world, A)
    ctx, pipeline = world.context(), Steps().pipeline
    run = start(ctx, pipeline, DAY, TRACE, wait_s=300)
    assert world.outbox.take() == []
    lease = world.store.leases.acquire(claim_name(run), "dead", ctx.lease_ttl)
    assert lease is not None
    world.store.runs.start(run.run_id, A, lease)
    world.clock.advance(61)
    alive(world, A)
    look(world)
    assert world.store.runs.get(run.run_id).status is RunStatus.LOST


@pytest.mark.parametrize("again", [verdict("build")])
def test_a_failure_without_a_stage_is_told_of_the_election(world: World, again: Any) -> None:
    run = start(world.context(), Steps().pipeline, DAY, TRACE)
    world.store.runs.fail(run.run_id, None, verdict=again, error="no stage handed on a root")
    look(world)
    [alarm] = [a for a in world.store.notices.alarms() if a.kind == "run_failed"]
    assert alarm.facts["stage"] == "election"
