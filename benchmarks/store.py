"""Samples a second in and out of the store, on SQLite and PostgreSQL. JSON on stdout.

    python benchmarks/store.py [--rows 1000000] [--postgres URL]

Without ``--postgres`` a private server is started if its programs are installed; otherwise its part is null.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine, peak_mib

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.signals import SIGNALS, Block

STEP_US = 20_000
BURST = 25
BURSTS = 400
WINDOWS = 1_000
WINDOW_ROWS = 300
ADD_ROWS = 100_000


def measure(url: str, rows: int) -> dict[str, float]:
    """Figures of one database, filled with ``rows`` samples."""
    store = open_store(url)
    try:
        store.loops.register("bulk", 50, "mock")
        store.loops.register("burst", 50, "mock")
        return _measure(store, rows)
    finally:
        store.close()


def _measure(store: SqlStore, rows: int) -> dict[str, float]:
    rng = np.random.default_rng(1)

    def block(first: int, count: int) -> Block:
        ts = (first + np.arange(count, dtype=np.int64)) * STEP_US
        return Block(ts, rng.random((count, len(SIGNALS))).round(6))

    bursts = [block(number * BURST, BURST) for number in range(BURSTS)]
    in_bursts = _seconds(lambda: [store.samples.add("burst", one) for one in bursts])
    in_bulk = 0.0
    for first in range(0, rows, ADD_ROWS):
        in_bulk += _seconds(partial(store.samples.add, "bulk", block(first, min(ADD_ROWS, rows - first))))
    starts = rng.integers(0, max(1, rows - WINDOW_ROWS), WINDOWS) * STEP_US
    bounds = [(int(start), int(start) + WINDOW_ROWS * STEP_US) for start in starts]
    windows = _seconds(lambda: sum(len(found) for found in store.samples.windows("bulk", bounds)))
    scan = _seconds(lambda: sum(len(found) for found in store.samples.scan("bulk", 0, rows * STEP_US)))
    return {
        "stored_rows": rows,
        f"write_bursts_of_{BURST}_rows_per_s": round(BURST * BURSTS / in_bursts),
        f"write_burst_of_{BURST}_ms": round(in_bursts / BURSTS * 1e3, 3),
        "write_bulk_rows_per_s": round(rows / in_bulk),
        "scan_rows_per_s": round(rows / scan),
        f"{WINDOWS}_windows_of_{WINDOW_ROWS}_rows_s": round(windows, 3),
        "peak_mib": peak_mib(),
    }


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def postgres(url: str | None) -> Iterator[str | None]:
    """``url``, else a private server's empty database, else None."""
    # The tests know how to start a private server.
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from support.servers import PostgresServer, postgres_bin

    if url is not None or postgres_bin() is None:
        yield url
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.fresh_database()
    finally:
        server.close()


def main() -> None:
    """Measure both and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="samples to store in bulk (default 1,000,000)")
    parser.add_argument("--postgres", metavar="URL", help="an empty database to use instead of a private server")
    given = parser.parse_args()
    figures: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        figures["sqlite"] = measure(f"sqlite:///{folder}/lumen.db", given.rows)
    with postgres(given.postgres) as url:
        figures["postgresql"] = None if url is None else measure(url, given.rows)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
