"""Several processes on one store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import pytest
from support import store_workers as work

from lumen_workers.adapters.store import SqlStore

PROCESSES = 4


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Fresh interpreters, so that nothing is inherited."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as executor:
        list(executor.map(time.sleep, [0.2] * PROCESSES))
        yield executor


@pytest.fixture
def together(pool: ProcessPoolExecutor, url: str) -> Callable[..., list[Any]]:
    """Run a worker function in every process at the same moment."""

    def run(function: Callable[..., Any], *arguments: Any) -> list[Any]:
        return [future.result(timeout=60) for future in spread(pool, url, [function] * PROCESSES, *arguments)]

    return run


def spread(
    pool: ProcessPoolExecutor, url: str, functions: list[Callable[..., Any]], *arguments: Any
) -> list[Future[Any]]:
    start_at = time.time() + 0.3
    return [pool.submit(function, url, start_at, who, *arguments) for who, function in enumerate(functions)]


def test_an_empty_store_is_opened_by_all_at_once(together: Callable[..., list[Any]]) -> None:
    assert together(work.open_first) == [{}] * PROCESSES


def test_no_change_of_a_rule_is_lost(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    recorded = sum(together(work.change_rule, 25))
    events = sorted(store.rules.events("main"), key=lambda event: event.seq)
    assert recorded == len(events) > PROCESSES
    assert [event.seq for event in events] == list(range(1, recorded + 1))
    assert all(before.new == after.old for before, after in pairwise(events))
    assert store.rules.current("main")["creative_min"].event_id == events[-1].event_id


def test_one_winner_for_each_lease(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    won = sorted(name for names in together(work.take_leases, 40) for name in names)
    assert won == sorted(f"n{i}" for i in range(40))
    assert {lease.epoch for lease in store.leases.live()} == {1}


def test_one_winner_for_each_epoch(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    epochs = sorted(epoch for taken in together(work.take_again, 30) for epoch in taken)
    assert epochs == list(range(1, len(epochs) + 1))
    last = store.leases.get("one")
    assert last is not None
    assert last.epoch == epochs[-1]


def test_overlapping_writers_leave_every_key_once_and_whole(
    store: SqlStore, together: Callable[..., list[Any]]
) -> None:
    written = together(work.write_samples, 1000, 20)
    found = store.samples.window("main", 0, 10_000)
    assert sum(written) == len(found) == 1000
    assert found.ts.tolist() == list(range(1000))
    assert (found.values == found.values[:, :1]).all()


def test_a_tick_is_claimed_once(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    claimed = [slot for slots in together(work.claim_ticks, 60) for slot in slots]
    assert len(claimed) == len(set(claimed))
    assert max(claimed) == store.ticks.states()[0].slot == 59


def test_a_day_has_one_winner(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    days = 10
    outcomes = [outcome for finished in together(work.finish_runs, days) for outcome in finished]
    winners = sorted(run_id for run_id, status in outcomes if status == "done")
    assert len(outcomes) == days * PROCESSES
    assert {status for _, status in outcomes} == {"done", "superseded"}
    assert winners == sorted(result.run_id for result in store.runs.results("daily"))
    assert len(winners) == days
    assert len(store.owed.rows()) == days


def test_a_revision_has_one_seal(store: SqlStore, together: Callable[..., list[Any]]) -> None:
    assert len({tuple(standing) for standing in together(work.write_seals, 20)}) == 1


def test_what_is_under_a_watermark_never_changes(store: SqlStore, pool: ProcessPoolExecutor, url: str) -> None:
    writers = [work.write_ledger] * (PROCESSES - 1)
    *writing, watching = spread(pool, url, [*writers, work.watch_ledger], 40)
    assert [future.result(timeout=60) for future in writing] == [40] * len(writers)
    seen = watching.result(timeout=60)
    assert len({mark for mark, _, _ in seen}) > 3, "the watcher must look while others write"
    for mark, samples, events in seen:
        assert store.samples.count("main", 0, 10**9, upto=mark) == samples
        assert len(store.rules.events("main", upto=mark)) == events


def test_a_store_survives_a_fork(store: SqlStore, pool: ProcessPoolExecutor, url: str) -> None:
    (future,) = spread(pool, url, [work.fork_and_write])
    assert future.result(timeout=60) == {"child": 0, "kept": True, "count": 2 * work.FORK_ROWS + 2}
    assert store.samples.count("main", 0, 10_000) == 2 * work.FORK_ROWS + 2
