"""What a year of many regions costs to look at: a scrape, `lumen status`, a reconciler's tick. JSON on stdout.

    python benchmarks/scale.py [--regions 100] [--days 365] [--postgres URL]

Without ``--postgres`` a private server is started if its programs are installed; otherwise its part is null.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa
from _machine import machine, peak_mib
from prometheus_client.exposition import generate_latest
from store import postgres

from lumen_workers import __version__, bootstrap, config
from lumen_workers.adapters.queue.inline import InlineDispatcher
from lumen_workers.adapters.store import SqlStore, schema
from lumen_workers.config import Settings
from lumen_workers.domain.ids import new_trace_id, run_id
from lumen_workers.engine.reconcile import reconcile
from lumen_workers.engine.seals import parse_day
from lumen_workers.local.overview import overview
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.view import View
from lumen_workers.pipelines.daily import DAILY_PIPELINE
from lumen_workers.pipelines.failures import CLASSES
from lumen_workers.schedule import entries

ROUNDS = 9
STAGES = tuple(stage.name for stage in DAILY_PIPELINE.stages)
VERSION = "0badcafe" * 8
FAILS_EVERY = 50
"""One run in so many fails and has a rerun."""


def fill(store: SqlStore, regions: Sequence[str], days: int, now: datetime, settings: Settings) -> dict[str, int]:
    """Write ``days`` whole days of every region, as their runs would have left them; returns the rows of each table."""
    counts: dict[str, int] = {}
    first_due = _last_due(settings, now) - timedelta(days=days - 1)
    with store.database.write() as connection:
        for number in range(days):
            due = first_due + timedelta(days=number)
            for table, rows in _day(regions, due, number, settings):
                counts[table.name] = counts.get(table.name, 0) + len(rows)
                connection.execute(sa.insert(table), rows)
        rows = [
            {"entry": entry, "region": region, "since": first_due, "slot": slot, "started": at, "ended": at}
            for entry, slot, at in (
                ("daily", round(first_due.timestamp() + (days - 1) * 86_400) * 1_000_000, first_due),
                ("effects", round(now.timestamp()) * 1_000_000, now),
                ("reconcile", round(now.timestamp()) * 1_000_000, now),
            )
            for region in regions
        ]
        connection.execute(sa.insert(schema.ticks), rows)
        counts["tallies"] = len(_tallies(regions, days))
        connection.execute(sa.insert(schema.tallies), _tallies(regions, days))
    with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))  # as both databases do by themselves in the course of a year
    for region in regions:
        for lane in ("sampler", "jobs"):
            store.pulses.beat(region, lane, f"host-{region}", f"{region}/host-{region}/1", VERSION)
    return counts


def _last_due(settings: Settings, now: datetime) -> datetime:
    return entries(settings)["daily"].due_before(now)


def _day(
    regions: Sequence[str], due: datetime, number: int, settings: Settings
) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    day = parse_day("yesterday", due, settings.zone)
    yield schema.seals, [_seal(day, due)]
    runs: list[dict[str, Any]] = []
    stages: list[dict[str, Any]] = []
    for position, region in enumerate(regions):
        fails = (number * len(regions) + position) % FAILS_EVERY == 0
        for attempt in (1, 2) if fails else (1,):
            bad = fails and attempt == 1
            name = run_id("daily", day, region, VERSION, attempt)
            runs.append(_run(name, day, region, attempt, due, "failed" if bad else "superseded"))
            for place, stage in enumerate(STAGES[:1] if bad else STAGES):
                stages.append(_stage(name, stage, place, due, "failed" if bad else "done"))
    winner = next(run for run in runs if run["status"] != "failed")
    winner["status"] = "done"
    yield schema.runs, runs
    yield schema.stages, stages
    key = {"pipeline": "daily", "day": day, "revision": 1}
    won = {"digest": "d" * 64, "run_id": winner["run_id"], "region": winner["region"], "decided_at": due}
    yield schema.results, [key | won]
    cross = {"kind": "cross_verify", "key": f"daily/{day}/r1", "region": regions[-1], "state": "done", "created": due}
    yield schema.owed, [cross | {"payload": {}, "tries": 1, "done_by": regions[-1], "done_at": due}]


def _seal(day: Any, due: datetime) -> dict[str, Any]:
    end = due.replace(hour=0, minute=0)
    return {
        "pipeline": "daily", "day": day, "revision": 1, "start": end - timedelta(days=1), "end": end, "cutoff": end,
        "watermark": {}, "settings": {}, "code_version": VERSION, "config_digest": "c" * 64, "prev_digest": None,
        "sealed_at": due,
    }  # fmt: skip


def _run(name: str, day: Any, region: str, attempt: int, due: datetime, status: str) -> dict[str, Any]:
    bad = status == "failed"
    return {
        "run_id": name, "pipeline": "daily", "day": day, "revision": 1, "region": region, "attempt": attempt,
        "status": status, "trace_id": new_trace_id(), "queued_at": due + timedelta(seconds=attempt),
        "executed_by": region, "started": due, "ended": due + timedelta(seconds=30),
        "digest": None if bad else "d" * 64, "error_class": "network" if bad else None,
        "error": "timed out" if bad else None, "assigned": region, "cause": "asked" if attempt == 1 else "rerun",
        "follows": None if attempt == 1 else name.removesuffix(".2"),
    }  # fmt: skip


def _stage(run: str, name: str, place: int, due: datetime, status: str) -> dict[str, Any]:
    return {
        "run_id": run, "name": name, "position": place, "status": status, "started": due,
        "ended": due + timedelta(seconds=place + 1), "seconds": 1.0, "outputs": {"root": "d" * 64},
        "error_class": "network" if status == "failed" else None,
    }  # fmt: skip


def _tallies(regions: Sequence[str], days: int) -> list[dict[str, Any]]:
    """The counters, as four code versions in the year would have left them."""
    counts: list[dict[str, Any]] = []

    def count(name: str, value: int, **labels: str) -> None:
        counts.append({"name": name, "labels": json.dumps(labels, sort_keys=True), "value": value})

    for region in regions:
        for version in ("0badcafe", "0badcaff", "0badcb00", "0badcb01"):
            labels = {"pipeline": "daily", "region": region, "version": version, "runner": f"host-{region}"}
            for name in ("lumen_runs_total", "lumen_runs_success_total"):
                count(name, days // 4, **labels, error_class="")
            for stage in STAGES:
                count("lumen_stage_success_total", days // 4, **labels, stage=stage, error_class="")
            count("lumen_stage_failed_total", 2, **labels, stage=STAGES[0], error_class="network")
    count("lumen_days_success_total", days, pipeline="daily")
    return counts


def measure(url: str, regions: int, days: int, home: Path) -> dict[str, Any]:
    """Figures of one database."""
    names = tuple(f"region-{number:03d}" for number in range(regions))
    environment = {"LUMEN_HOME": str(home), "LUMEN_STORE_URL": url, "LUMEN_REGIONS": ",".join(names)}
    with mock.patch.dict(os.environ, environment):
        settings = config.load()
        ctx = bootstrap.build(settings, InlineDispatcher(names[0]), entries(settings))
    store = ctx.store
    if not isinstance(store, SqlStore):
        raise TypeError("rows are written straight into the tables")
    try:
        rows = fill(store, names, days, datetime.now(UTC), settings)
        view = View(
            regions=names,
            stages={DAILY_PIPELINE.name: STAGES},
            classes=CLASSES,
            schedule=ctx.schedule,
            version=__version__,
            code_version=VERSION,
        )
        collector = StoreCollector(lambda: store, view)
        answer = generate_latest(collector)
        return {
            "rows": rows,
            "scrape_ms": _p50(lambda: generate_latest(collector)),
            "scrape_lines": sum(not line.startswith(b"#") for line in answer.splitlines()),
            "scrape_kib": round(len(answer) / 1024),
            "status_ms": _p50(lambda: overview(settings, store)),
            "reconcile_ms": _p50(lambda: reconcile(ctx, {DAILY_PIPELINE.name: DAILY_PIPELINE})),
            "peak_mib": peak_mib(),
        }
    finally:
        store.close()


def _p50(work: Callable[[], object]) -> float:
    """The middle one of ROUNDS, ms."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return round(statistics.median(seconds) * 1e3, 1)


def main() -> None:
    """Measure both and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--regions", type=int, default=100, help="how many regions (default 100)")
    parser.add_argument("--days", type=int, default=365, help="how many days (default 365)")
    parser.add_argument("--postgres", metavar="URL", help="an empty database to use instead of a private server")
    given = parser.parse_args()
    logging.disable()
    figures: dict[str, Any] = {"machine": machine(), "regions": given.regions, "days": given.days, "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        figures["sqlite"] = measure(f"sqlite:///{folder}/lumen.db", given.regions, given.days, path / "a")
        with postgres(given.postgres) as url:
            figures["postgresql"] = None if url is None else measure(url, given.regions, given.days, path / "b")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
