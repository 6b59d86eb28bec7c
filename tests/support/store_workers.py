"""What other processes do in the store's concurrency tests. Each opens the store itself and waits for ``start_at``."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

import numpy as np
from support.store_records import DAY, SPEC, owed, run, seal

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import Block

FORK_ROWS = 60


def _store(url: str, start_at: float) -> SqlStore:
    store = open_store(url)
    time.sleep(max(0.0, start_at - time.time()))
    return store


def open_first(url: str, start_at: float, _who: int) -> dict[str, int]:
    """Everybody opens the same empty store."""
    time.sleep(max(0.0, start_at - time.time()))
    store = open_store(url)
    try:
        return store.loops.rates()
    finally:
        store.close()


def change_rule(url: str, start_at: float, who: int, times: int) -> int:
    """Set the rule ``times`` times, each process to values of its own; returns how many changes were recorded."""
    store = _store(url, start_at)
    done = 0
    for turn in range(times):
        try:
            store.rules.append("main", SPEC, 0.25 + who / 100 + (turn % 2) / 1000, actor=f"p{who}")
            done += 1
        except UsageError:  # it has this value already: nobody came between two turns
            continue
    store.close()
    return done


def take_leases(url: str, start_at: float, who: int, names: int) -> list[str]:
    """Ask once for each of ``names`` leases; returns those that were won."""
    store = _store(url, start_at)
    won = [f"n{i}" for i in range(names) if store.leases.acquire(f"n{i}", f"p{who}", timedelta(minutes=1))]
    store.close()
    return won


def take_again(url: str, start_at: float, who: int, times: int) -> list[int]:
    """Take one lease that always expires at once; returns the epochs."""
    store = _store(url, start_at)
    leases = [store.leases.acquire("one", f"p{who}", timedelta(0)) for _ in range(times)]
    store.close()
    return [lease.epoch for lease in leases if lease is not None]


def write_samples(url: str, start_at: float, who: int, count: int, burst: int) -> int:
    """Write the same keys as the others, values that tell who wrote; returns how many rows were new."""
    store = _store(url, start_at)
    starts = list(range(0, count, burst))
    if who % 2:
        starts.reverse()
    written = 0
    for start in starts:
        ts = np.arange(start, start + burst, dtype=np.int64)
        written += store.samples.add("main", Block(ts, np.full((burst, 4), float(who))))
    store.close()
    return written


def claim_ticks(url: str, start_at: float, _who: int, slots: int) -> list[int]:
    """Claim each slot in turn; returns those that were given."""
    store = _store(url, start_at)
    won = [slot for slot in range(slots) if store.ticks.claim("effects", "us-west-2", slot)]
    store.close()
    return won


def finish_runs(url: str, start_at: float, who: int, days: int) -> list[tuple[str, str]]:
    """Finish a run of each of ``days`` days; returns (run id, status)."""
    store = _store(url, start_at)
    outcome = []
    for number in range(days):
        day = DAY + timedelta(days=number)
        mine = store.runs.create(run(f"region-{who}", day=day, run_id=f"{day}-{who}"), f"p{who}")
        lease = store.leases.acquire(f"run:{mine.run_id}", f"p{who}", timedelta(minutes=1))
        assert lease is not None
        store.runs.start(mine.run_id, mine.region, lease)
        ended = store.runs.finish(mine.run_id, lease, digest="same", owed=[owed(str(day), region=mine.region)])
        outcome.append((ended.run_id, ended.status.value))
    store.close()
    return outcome


def write_seals(url: str, start_at: float, who: int, revisions: int) -> list[str]:
    """Seal every revision; returns the code versions of the seals that stand."""
    store = _store(url, start_at)
    standing = [store.runs.seal(seal(n, code_version=f"by-{who}")).code_version for n in range(1, revisions + 1)]
    store.close()
    return standing


def write_ledger(url: str, start_at: float, who: int, times: int) -> int:
    """Number rows of several kinds on one loop."""
    store = _store(url, start_at)
    for turn in range(times):
        base = (who * times + turn) * 10
        store.samples.add("main", Block(np.arange(base, base + 10, dtype=np.int64), np.zeros((10, 4))))
        store.rules.append("main", SPEC, 0.25 + who / 100 + turn / 10_000, actor=f"p{who}")
    store.close()
    return times


def watch_ledger(url: str, start_at: float, _who: int, looks: int) -> list[tuple[int, int, int]]:
    """Read (watermark, samples under it, events under it) again and again while others write."""
    store = _store(url, start_at)
    seen = []
    for _ in range(looks):
        mark = store.loops.watermark()["main"]
        seen.append(
            (mark, store.samples.count("main", 0, 10**9, upto=mark), len(store.rules.events("main", upto=mark)))
        )
    store.close()
    return seen


def fork_and_write(url: str, start_at: float, _who: int) -> dict[str, Any]:
    """Use the store, fork, and use it on both sides at once."""
    store = _store(url, start_at)
    _rows(store, 0, 1)
    engine = store.database.engine
    child = os.fork()
    if child == 0:
        try:
            _rows(store, 1_000, FORK_ROWS)
            os._exit(0 if store.database.engine is not engine else 2)
        finally:
            os._exit(1)
    _rows(store, 2_000, FORK_ROWS)
    _, status = os.waitpid(child, 0)
    # The parent's connections must still be whole after the child has gone.
    _rows(store, 3_000, 1)
    kept = store.database.engine is engine
    count = store.samples.count("main", 0, 10_000)
    store.close()
    return {"child": os.waitstatus_to_exitcode(status), "kept": kept, "count": count}


def _rows(store: SqlStore, base: int, count: int) -> None:
    for turn in range(count):
        store.samples.add("main", Block(np.array([base + turn], np.int64), np.zeros((1, 4))))
