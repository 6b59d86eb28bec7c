"""Seals, runs, stages and results."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.store_records import DAY, T0, owed, run, seal, verdict

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import LeaseLost, NotFound, UsageError
from lumen_workers.domain.runs import Lease, Run, RunStatus, StageRun, StageStatus

MINUTE = timedelta(minutes=1)


def _started(store: SqlStore, region: str = "a", attempt: int = 1) -> tuple[Run, Lease]:
    made = store.runs.create(run(region, attempt), "a/host/1")
    lease = store.leases.acquire(f"run:{made.run_id}", region, MINUTE)
    assert lease is not None
    return store.runs.start(made.run_id, region, lease), lease


def _stage(run_: Run, name: str = "build", status: StageStatus = StageStatus.RUNNING, **more: object) -> StageRun:
    return StageRun(run_id=run_.run_id, name=name, status=status, started=T0, **more)  # type: ignore[arg-type]


def test_a_revision_is_sealed_once(store: SqlStore) -> None:
    first = seal()
    assert store.runs.seal(first) == first
    assert store.runs.seal(seal(code_version="other")) == first
    second = seal(2, prev_digest="d" * 64)
    store.runs.seal(second)
    store.runs.seal(seal(1, pipeline="weekly"))
    found = store.runs.seals("daily", DAY)
    assert found == [first, second]
    assert [s.digest() for s in found] == [first.digest(), second.digest()]
    assert store.runs.seals("daily", DAY + timedelta(days=1)) == []


def test_a_run_of_an_attempt_is_made_once(store: SqlStore) -> None:
    first = store.runs.create(run("a"), "a/host/1")
    assert first == run("a")
    assert store.runs.create(replace(run("a"), run_id="another", revision=2), "a/host/1") == first
    assert store.runs.create(run("a", 2), "a/host/1").run_id != first.run_id
    with pytest.raises(UsageError, match="taken"):
        store.runs.create(replace(run("b"), run_id=first.run_id), "a/host/1")
    with pytest.raises(NotFound, match="ghost"):
        store.runs.get("ghost")


def test_runs_are_listed_newest_first_with_their_stages(store: SqlStore) -> None:
    for number in range(4):
        made = store.runs.create(run("a", number + 1, queued_at=T0 + number * MINUTE), "a/host/1")
        lease = store.leases.acquire(made.run_id, "a", MINUTE)
        assert lease is not None
        store.runs.start(made.run_id, "a", lease)
        for name in ("pdf", "build", "freeze"):
            store.runs.stage_started(_stage(made, name), lease)
    store.runs.create(run("b", pipeline="weekly", run_id="w", day=DAY + timedelta(days=7)), "a/host/1")
    listed = store.runs.rows(pipeline="daily")
    assert [r.attempt for r in listed] == [4, 3, 2, 1]
    assert all([stage.name for stage in r.stages] == ["pdf", "build", "freeze"] for r in listed)
    assert store.runs.rows(pipeline="daily", limit=2) == listed[:2]
    assert [r.run_id for r in store.runs.rows(day=DAY + timedelta(days=7))] == ["w"]
    store.runs.lose(listed[0].run_id, "a/host/1", "no sign of life")
    assert [r.attempt for r in store.runs.open() if r.pipeline == "daily"] == [1, 2, 3]


def test_a_stage_is_replaced_until_it_is_done(store: SqlStore) -> None:
    made, lease = _started(store)
    store.runs.stage_started(_stage(made), lease)
    failed = _stage(made, status=StageStatus.FAILED, ended=T0 + MINUTE, seconds=60.0, error_class="network", error="x")
    store.runs.stage_ended(failed, lease)
    assert store.runs.get(made.run_id).stages == (failed,)
    store.runs.stage_started(_stage(made), lease)
    assert store.runs.get(made.run_id).stages == (_stage(made),)
    done = _stage(
        made, status=StageStatus.DONE, ended=T0 + MINUTE, seconds=60.0, outputs={"root": "ab", "n": [1, None]}
    )
    store.runs.stage_ended(done, lease)
    store.runs.stage_started(_stage(made), lease)
    store.runs.stage_ended(replace(failed), lease)
    assert store.runs.get(made.run_id).stages == (done,)


def test_starting_again_keeps_the_first_start(store: SqlStore) -> None:
    made, lease = _started(store)
    assert (made.status, made.executed_by) == (RunStatus.RUNNING, "a")
    assert made.started is not None
    again = store.runs.start(made.run_id, "b", lease)
    assert (again.started, again.executed_by) == (made.started, "b")


def test_the_first_to_finish_wins(store: SqlStore) -> None:
    (first, first_lease), (second, second_lease) = _started(store, "a"), _started(store, "b")
    won = store.runs.finish(first.run_id, first_lease, digest="d1", owed=[owed("x"), owed("x")])
    lost = store.runs.finish(second.run_id, second_lease, digest="d2", owed=[owed("x", region="b")])
    assert (won.status, won.winner, won.digest) == (RunStatus.DONE, True, "d1")
    assert (lost.status, lost.winner, lost.digest) == (RunStatus.SUPERSEDED, False, "d2")
    assert won.ended is not None
    result = store.runs.result("daily", DAY, 1)
    assert result is not None
    assert (result.run_id, result.region, result.digest, result.decided_at) == (won.run_id, "a", "d1", won.ended)
    assert store.runs.results("daily") == store.runs.results("daily", DAY) == [result]
    assert store.runs.result("daily", DAY, 2) is None
    assert store.owed.rows() == [owed("x")]
    assert store.runs.open() == []


def test_finishing_can_be_said_again(store: SqlStore) -> None:
    made, lease = _started(store)
    won = store.runs.finish(made.run_id, lease, digest="d")
    assert store.runs.finish(made.run_id, lease, digest="d") == won
    with pytest.raises(LeaseLost, match="done"):
        store.runs.finish(made.run_id, lease, digest="other")


def test_nothing_is_written_under_a_lost_lease(store: SqlStore) -> None:
    made, lease = _started(store)
    store.leases.acquire(lease.name, "thief", MINUTE, steal=True)
    before = store.runs.get(made.run_id)
    writes = (
        lambda: store.runs.start(made.run_id, "x", lease),
        lambda: store.runs.stage_started(_stage(made), lease),
        lambda: store.runs.stage_ended(_stage(made, status=StageStatus.DONE), lease),
        lambda: store.runs.finish(made.run_id, lease, digest="d", owed=[owed("x")]),
        lambda: store.runs.fail(made.run_id, lease, verdict=verdict("build"), error="x"),
    )
    for write in writes:
        with pytest.raises(LeaseLost, match="thief"):
            write()
    assert store.runs.get(made.run_id) == before
    assert (store.runs.results("daily"), store.owed.rows()) == ([], [])


def test_an_expired_lease_that_nobody_took_still_fences(store: SqlStore) -> None:
    made, lease = _started(store)
    expired = store.leases.renew(lease, -MINUTE)
    assert store.runs.finish(made.run_id, expired, digest="d").status is RunStatus.DONE


def test_nothing_is_written_to_a_lost_run(store: SqlStore) -> None:
    made, lease = _started(store)
    assert store.runs.lose(made.run_id, "a/host/1", "no sign of life") is True
    assert store.runs.lose(made.run_id, "a/host/1", "no sign of life") is False
    for write in (
        lambda: store.runs.start(made.run_id, "a", lease),
        lambda: store.runs.stage_ended(_stage(made, status=StageStatus.DONE), lease),
        lambda: store.runs.finish(made.run_id, lease, digest="d"),
        lambda: store.runs.fail(made.run_id, lease, verdict=verdict("build"), error="x"),
    ):
        with pytest.raises(LeaseLost, match="lost"):
            write()
    found = store.runs.get(made.run_id)
    assert (found.status, found.stages, store.runs.results("daily")) == (RunStatus.LOST, (), [])


def test_a_failure_is_kept_and_ends_the_run(store: SqlStore) -> None:
    made, lease = _started(store)
    failed = store.runs.fail(made.run_id, lease, verdict=verdict("environment"), error="disk full")
    assert (failed.status, failed.error_class, failed.error) == (RunStatus.FAILED, "environment", "disk full")
    assert failed.ended is not None
    assert store.runs.fail(made.run_id, None, verdict=verdict("other"), error="other") == failed
    queued = store.runs.create(run("b"), "a/host/1")
    assert store.runs.fail(queued.run_id, None, verdict=verdict("usage"), error="bad day").status is RunStatus.FAILED


def test_a_day_is_counted_once_with_its_first_whole_result(store: SqlStore) -> None:
    def counted() -> list[int]:
        return [tally.value for tally in store.tallies.rows("lumen_days_success_total")]

    def finish(region: str, revision: int) -> None:
        made = store.runs.create(replace(run(region, revision), revision=revision), f"{region}/h/1")
        lease = store.leases.acquire(f"{region}{revision}", f"{region}/h/1", MINUTE)
        assert lease is not None
        store.runs.start(made.run_id, region, lease)
        store.runs.finish(made.run_id, lease, digest=f"d{revision}")

    store.runs.seal(replace(seal(), cutoff=seal().end - MINUTE))
    finish("a", 1)
    assert counted() == [], "the day had not ended"
    for revision in (2, 3):
        store.runs.seal(replace(seal(), revision=revision))
    finish("a", 2)
    finish("b", 2)
    finish("a", 3)
    assert counted() == [1]
    assert sum(t.value for t in store.tallies.rows("lumen_runs_success_total")) == 4
