"""What is tried again after a failure, how often, and what is told when it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from support.contexts import A, B, Steps, World

from lumen_workers.domain.errors import ExternalApiError, LumenError, NetworkError
from lumen_workers.domain.runs import Cause, Run, RunStatus, StageStatus
from lumen_workers.engine.declare import StageWork
from lumen_workers.engine.flow import advance, start
from lumen_workers.engine.reconcile import reconcile
from lumen_workers.pipelines.failures import POLICIES

DAY = date(2026, 1, 31)
TRACE = "ab" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def steps() -> Steps:
    return Steps()


def fails(error: Callable[[], Exception], times: int) -> Callable[[StageWork], None]:
    left = [times]

    def hook(_: StageWork) -> None:
        if left[0]:
            left[0] -= 1
            raise error()

    return hook


def turn(world: World, steps: Steps, region: str = A, **changes: Any) -> None:
    """Do every message; a stage that fails is recorded, and its error is nothing to this test."""
    while messages := world.outbox.take():
        for message in messages:
            name = message.task.rpartition(".")[2]
            if name not in ("build", "freeze", "verify"):
                continue
            ctx = world.context(message.region, **changes)
            with suppress(LumenError, ArithmeticError, OSError):
                advance(ctx, steps.pipeline, name, message.payload["run_id"], message.payload["attempt"])


def look(world: World, steps: Steps, region: str = A) -> None:
    reconcile(world.context(region, schedule={}), {"daily": steps.pipeline})


def attempts(world: World) -> list[Run]:
    return sorted(world.store.runs.rows(), key=lambda run: run.attempt)


def test_a_transient_failure_is_tried_again_at_the_failed_stage_after_its_back_off(world: World, steps: Steps) -> None:
    steps.hooks["freeze"] = fails(lambda: NetworkError("away"), 1)
    start(world.context(), steps.pipeline, DAY, TRACE)
    turn(world, steps)
    first, second = attempts(world)
    assert (first.status, first.error_class, first.error_rule) == (RunStatus.FAILED, "network", "code network")
    assert (second.status, second.cause, second.follows) == (RunStatus.QUEUED, Cause.RERUN, first.run_id)
    assert [(s.name, s.status, s.carried_from) for s in second.stages] == [("build", StageStatus.DONE, first.run_id)]
    assert second.not_before is not None
    assert timedelta(seconds=5) <= second.not_before - world.clock.now() <= timedelta(seconds=6)
    world.clock.advance(4)
    look(world, steps)
    assert world.outbox.sent == [], "its time has not come"
    world.clock.advance(3)
    look(world, steps)
    assert [m.task for m in world.outbox.sent] == ["lumen.daily.freeze"]
    look(world, steps)
    assert len(world.outbox.sent) == 1, "it is sent once"
    turn(world, steps)
    assert attempts(world)[1].status is RunStatus.DONE
    assert steps.ran == [f"{A} build", f"{A} freeze", f"{A} freeze", f"{A} verify"]
    assert world.alarms() == set()
    assert world.store.notices.letters() == []


def test_the_last_failure_of_a_class_becomes_one_letter_and_one_ticket(world: World, steps: Steps) -> None:
    steps.hooks["freeze"] = fails(lambda: ExternalApiError("503"), 9)
    start(world.context(), steps.pipeline, DAY, TRACE)
    for _ in range(6):
        turn(world, steps)
        world.clock.advance(45)
        look(world, steps)
    runs = attempts(world)
    assert [(run.status, run.cause) for run in runs] == [
        (RunStatus.FAILED, Cause.ASKED),
        (RunStatus.FAILED, Cause.RERUN),
        (RunStatus.FAILED, Cause.RERUN),
    ]
    [alarm] = [a for a in world.store.notices.alarms() if a.kind == "run_failed"]
    assert alarm.key == f"failed/daily/{DAY}/{A}/freeze/external_api"
    assert (alarm.trace_id, alarm.facts["run_id"], alarm.facts["stage"]) == (TRACE, runs[-1].run_id, "freeze")
    [letter] = world.store.notices.letters()
    assert (letter.task, letter.trace_id) == ("lumen.daily.freeze", TRACE)
    assert letter.reason.startswith("out of reruns: external_api (code external_api): ")
    counted = {t.name: t.value for t in world.store.tallies.rows("lumen_runs_")}
    assert counted == {"lumen_runs_failed_total": 1, "lumen_runs_total": 1}, "a run that is tried again has not ended"


def test_the_second_wait_is_the_longer_one_and_what_the_peer_asks_is_waited(world: World, steps: Steps) -> None:
    class Busy(ExternalApiError):
        retry_after_s = 120.0

    steps.hooks["freeze"] = fails(lambda: ExternalApiError("503"), 2)
    start(world.context(), steps.pipeline, DAY, TRACE)
    turn(world, steps)
    world.clock.advance(7)
    look(world, steps)
    turn(world, steps)
    third = attempts(world)[2]
    assert third.not_before is not None
    assert timedelta(seconds=30) <= third.not_before - world.clock.now() <= timedelta(seconds=36)

    steps.hooks["freeze"] = fails(Busy, 1)
    start(world.context(B), steps.pipeline, DAY, TRACE)
    turn(world, steps)
    mine = next(run for run in world.store.runs.rows(region=B) if run.attempt == 2)
    assert mine.not_before is not None
    assert timedelta(seconds=120) <= mine.not_before - world.clock.now() <= timedelta(seconds=144)


def test_asking_by_hand_begins_a_new_count(world: World, steps: Steps) -> None:
    steps.hooks["build"] = fails(lambda: ZeroDivisionError("odd"), 3)
    policies = {**POLICIES, "build": replace(POLICIES["build"], reruns=1, backoff_s=(1.0,))}
    for expected in (2, 4):
        start(world.context(policies=policies), steps.pipeline, DAY, TRACE)
        turn(world, steps, policies=policies)
        world.clock.advance(40)
        look(world, steps)
        turn(world, steps, policies=policies)
        assert len(attempts(world)) == expected
    assert attempts(world)[-1].status is RunStatus.DONE


def test_a_stage_that_is_interrupted_for_its_time_is_tried_once_more(world: World, steps: Steps) -> None:
    steps.hooks["build"] = fails(lambda: SoftTimeLimitExceeded(), 9)
    start(world.context(), steps.pipeline, DAY, TRACE)
    for _ in range(3):
        with suppress(SoftTimeLimitExceeded):
            turn(world, steps)
        world.clock.advance(45)
        look(world, steps)
    runs = attempts(world)
    assert [(run.status, run.error_class) for run in runs] == [(RunStatus.FAILED, "unknown")] * 2
    assert runs[0].error_rule == "time limit"


def test_a_classs_budget_ends_its_reruns_everywhere(world: World, steps: Steps) -> None:
    policies = {**POLICIES, "network": replace(POLICIES["network"], budget=2)}
    steps.hooks["build"] = fails(lambda: NetworkError("away"), 99)
    for number in range(3):
        start(world.context(policies=policies), steps.pipeline, date(2026, 1, 20 + number), f"{number:032x}")
        turn(world, steps, policies=policies)
    reruns = [run for run in world.store.runs.rows() if run.cause is Cause.RERUN]
    assert len(reruns) == 2
    assert [a.facts["day"] for a in world.store.notices.alarms() if a.kind == "run_failed"] == ["2026-01-22"]
    world.clock.advance(25 * 3600)
    start(world.context(policies=policies), steps.pipeline, date(2026, 1, 30), TRACE)
    turn(world, steps, policies=policies)
    assert len([run for run in world.store.runs.rows() if run.cause is Cause.RERUN]) == 3, (
        "a day later there is a new one"
    )


def test_a_region_that_fails_twice_within_six_hours_is_a_ticket_of_its_own(world: World, steps: Steps) -> None:
    steps.hooks["build"] = fails(lambda: PermissionError(13, "no"), 9)
    for number in range(2):
        start(world.context(), steps.pipeline, date(2026, 1, 20 + number), TRACE)
        turn(world, steps)
    assert world.alarms() == {"run_failed", "region_failing"}
    start(world.context(B), steps.pipeline, DAY, TRACE)
    turn(world, steps)
    kinds = [alarm.kind for alarm in world.store.notices.alarms()]
    assert kinds.count("region_failing") == 1, "B has failed once"


def test_what_was_told_is_over_when_the_region_has_done_the_day(world: World, steps: Steps) -> None:
    steps.hooks["build"] = fails(lambda: PermissionError(13, "no"), 1)
    start(world.context(), steps.pipeline, DAY, TRACE)
    turn(world, steps)
    assert [alarm.kind for alarm in world.store.notices.alarms(standing=True)] == ["run_failed"]
    start(world.context(), steps.pipeline, DAY, "cd" * 16)
    turn(world, steps)
    assert world.store.notices.alarms(standing=True) == []


def test_a_worker_that_dies_before_it_tells_is_told_for(
    world: World, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.hooks["build"] = fails(lambda: PermissionError(13, "no"), 1)
    start(world.context(), steps.pipeline, DAY, TRACE)

    def dies(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.engine.tickets.give_up", dies)
        turn(world, steps)
    assert world.alarms() == set()
    look(world, steps)
    look(world, steps)
    assert world.alarms() == {"run_failed"}
    assert len(world.store.notices.letters()) == 1
