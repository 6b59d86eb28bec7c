"""Lines of the audit log a second: verified in the store (SQLite, PostgreSQL) and in the exported file. JSON on stdout.

    python benchmarks/audit.py [--rows 100000] [--postgres URL]

The memory is what Python's own allocator holds at most while a chain is verified, of a tenth of the lines and of all.
Without ``--postgres`` a private server is started if its programs are installed; otherwise its part is null.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from _machine import machine, peak_mib
from store import postgres

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.adapters.store.schema import audit, audit_heads
from lumen_workers.domain.clock import from_us, iso
from lumen_workers.engine.audit import export_audit, verify_store
from lumen_workers.trust import canonical
from lumen_workers.trust.audit.faults import AuditReport
from lumen_workers.trust.audit.file import verify_file
from lumen_workers.trust.audit.rows import GENESIS, digest

CHAIN = "ap-northeast-2"
APPENDED = 1000
CHUNK = 5000


def fill(store: SqlStore, rows: int) -> None:
    """A chain as honest writers would have left it."""
    prev, waiting = GENESIS, []
    with store.database.write() as connection:
        for table in (audit, audit_heads):
            connection.execute(sa.delete(table))
        for seq in range(1, rows + 1):
            ts = from_us(1_769_904_000_000_000 + seq * 1_000_000)
            row: dict[str, Any] = {
                "chain": CHAIN,
                "seq": seq,
                "ts": iso(ts),
                "actor": f"{CHAIN}/host/4711",
                "pipeline": "daily",
                "region": CHAIN,
                "trace_id": f"{seq:032x}",
                "event": "run done",
                "subject": f"20260131-{CHAIN}-0badcafe",
                "detail": {"attempt": 1, "cause": "asked", "root": "ab" * 32},
                "prev": prev,
            }
            prev = row["hash"] = digest(row)
            waiting.append({**row, "ts": ts, "detail": canonical.dumps(row["detail"]).decode()})
            if len(waiting) == CHUNK or seq == rows:
                connection.execute(sa.insert(audit), waiting)
                waiting = []
        connection.execute(sa.insert(audit_heads), {"chain": CHAIN, "seq": rows, "hash": prev})


def measure(url: str, rows: int, folder: Path) -> dict[str, Any]:
    """Figures of one database."""
    store = open_store(url)
    try:
        fill(store, rows // 10)
        small = allocated(lambda: verify_store(store.audit))
        fill(store, rows)
        path = folder / "audit.log.jsonl"
        in_store = seconds(lambda: holds(verify_store(store.audit), rows))
        exported = seconds(lambda: export_audit(store.audit, path))
        in_file = seconds(lambda: holds(verify_file(path), rows))
        large = allocated(lambda: verify_store(store.audit))
        appended = seconds(lambda: [store.audit.append(f"{CHAIN}/host/1", "did") for _ in range(APPENDED)])
        return {
            "rows": rows,
            "verify_rows_per_s": round(rows / in_store),
            "export_rows_per_s": round(rows / exported),
            "verify_file_rows_per_s": round(rows / in_file),
            "file_mib": round(path.stat().st_size / 2**20, 1),
            "append_rows_per_s": round(APPENDED / appended),
            "allocated_mib": {str(rows // 10): small, str(rows): large},
            "peak_mib": peak_mib(),
        }
    finally:
        store.close()


def holds(report: AuditReport, rows: int) -> None:
    """A figure of a verification that found something else would be none."""
    if not report.ok or report.rows != rows:
        raise SystemExit(f"{report.rows} lines, {report.count} faults")


def allocated(work: Callable[[], Any]) -> float:
    """MiB that Python had allocated at most meanwhile."""
    tracemalloc.start()
    try:
        work()
        return round(tracemalloc.get_traced_memory()[1] / 2**20, 2)
    finally:
        tracemalloc.stop()


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgres")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as scratch, postgres(options.postgres) as url:
        folder = Path(scratch)
        found = {
            "machine": machine(),
            "sqlite": measure(f"sqlite:///{folder}/lumen.db", options.rows, folder),
            "postgresql": None if url is None else measure(url, options.rows, folder),
        }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
