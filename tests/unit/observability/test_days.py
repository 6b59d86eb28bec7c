"""Stages, the last due day, integrity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from support.contexts import NOON, A, B, World, entries
from support.metrics import STAGES, claim, closed, day_run, failed, stage, told

from lumen_workers.domain.failures import AlarmSeverity

DUE = datetime(2026, 2, 1, 0, 5, tzinfo=UTC)
"""09:05 in Seoul on NOON's day: it closes 2026-01-31."""

D = date(2026, 1, 31)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, now=datetime(2026, 1, 20, tzinfo=UTC))
    yield made
    made.close()


def test_nothing_is_told_before_there_was_a_run(world: World) -> None:
    found = told(world.store)
    assert not [name for name in found if name.startswith(("lumen_pipeline", "lumen_remote", "lumen_report"))]
    assert "lumen_day_overdue_seconds" not in found
    assert found["lumen_runs_open"] == {(A,): 0, (B,): 0}


def test_a_stage_is_told_from_the_newest_run_that_had_it(world: World) -> None:
    closed(world.store, date(2026, 1, 18))
    world.clock.advance(60)
    failed(world.store, date(2026, 1, 19), B, "pdf", "build")
    found = told(world.store)
    assert found["lumen_pipeline_success"] == {("daily", "build"): 1, ("daily", "pdf"): 0, ("daily", "verify"): 1}
    assert found["lumen_pipeline_duration_seconds"] == {("daily", name): 2.0 for name in STAGES}
    assert found["lumen_pipeline_last_run_timestamp"] == {("daily",): world.store.now().timestamp()}

    world.clock.advance(60)
    run = day_run(date(2026, 1, 19), queued_at=world.store.now())
    lease = claim(world.store, run)
    stage(world.store, run, lease, "pdf")
    found = told(world.store)
    assert found["lumen_pipeline_success"]["daily", "pdf"] == 1
    assert found["lumen_pipeline_last_run_timestamp"] == {("daily",): world.store.now().timestamp() - 60}
    assert found["lumen_runs_open"] == {(A,): 1, (B,): 0}
    world.store.runs.lose(run.run_id, f"{A}/host/2", "gone")
    found = told(world.store)
    assert found["lumen_pipeline_last_run_timestamp"] == {("daily",): world.store.now().timestamp() - 60}
    assert found["lumen_runs_open"] == {(A,): 0, (B,): 0}


def test_integrity_follows_the_alarms_that_stand(world: World) -> None:
    closed(world.store, date(2026, 1, 18))
    world.store.notices.raise_alarm("x", "cross_verify_overdue", AlarmSeverity.TICKET, "late")
    assert told(world.store)["lumen_remote_integrity_ok"] == {(): 1}
    for kind in ("digest_mismatch", "cross_verify_failed"):
        world.store.notices.raise_alarm(kind, kind, AlarmSeverity.PAGE, "other bytes")
        assert told(world.store)["lumen_remote_integrity_ok"] == {(): 0}
        world.store.notices.resolve(kind, "kim")
        assert told(world.store)["lumen_remote_integrity_ok"] == {(): 1}


def overdue(world: World) -> float | None:
    return told(world.store).get("lumen_day_overdue_seconds", {}).get(("daily",))


def move_to(world: World, instant: datetime) -> None:
    world.clock.advance((instant - world.clock.now()).total_seconds())


def test_a_day_is_overdue_from_its_slot_until_a_whole_result(world: World) -> None:
    move_to(world, datetime(2026, 1, 31, 3, tzinfo=UTC))
    world.store.ticks.since("daily", A)
    assert overdue(world) is None  # nothing has been due since the schedule was known
    assert "lumen_report_generated" not in told(world.store)
    move_to(world, DUE)
    assert overdue(world) == 0
    world.clock.advance(600)
    assert overdue(world) == 600
    assert told(world.store)["lumen_report_generated"] == {(): 0}
    closed(world.store, D)
    found = told(world.store)
    assert (found["lumen_day_overdue_seconds"], found["lumen_report_generated"]) == ({("daily",): 0}, {(): 1})


def test_a_provisional_result_closes_no_day_but_a_report_is_there(world: World) -> None:
    world.store.ticks.since("daily", A)
    move_to(world, DUE)
    for number in range(25, 31):
        closed(world.store, date(2026, 1, number))
    closed(world.store, D, provisional=True)
    world.clock.advance(60)
    found = told(world.store)
    assert (found["lumen_day_overdue_seconds"], found["lumen_report_generated"]) == ({("daily",): 60}, {(): 1})


def test_days_in_a_row_count_from_the_oldest_and_an_old_one_is_forgiven(world: World) -> None:
    world.store.ticks.since("daily", A)
    move_to(world, DUE)
    closed(world.store, date(2026, 1, 28))
    assert overdue(world) == 2 * 86_400  # 29, 30 and 31 January are missing
    closed(world.store, D)
    assert overdue(world) == 0  # what was lost before is counted elsewhere


def test_a_week_back_is_far_enough(world: World) -> None:
    world.store.ticks.since("daily", A)
    move_to(world, NOON)
    assert overdue(world) == (NOON - datetime(2026, 1, 26, 0, 5, tzinfo=UTC)).total_seconds()


def test_a_pipeline_that_is_not_scheduled_is_never_late(world: World) -> None:
    world.store.ticks.since("daily", A)
    move_to(world, NOON)
    schedule = entries(data={"daily": {"run": "daily", "every_s": 3600}})
    assert "lumen_day_overdue_seconds" not in told(world.store, schedule=schedule)
