"""What an exporter tells, for tests; and days of a store, written as their runs would have left them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition, parser
from support import store_records as records
from support.contexts import A, B, entries

from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import Lease, Run, StageRun, StageStatus
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.view import View
from lumen_workers.pipelines.failures import CLASSES

STAGES = ("build", "pdf", "verify")
VERSION = "0badcafe" * 8
TTL = timedelta(minutes=5)

Told = dict[str, dict[tuple[str, ...], float]]


def view(**changes: Any) -> View:
    """Two regions, one pipeline of three stages."""
    made = View(
        regions=(A, B),
        stages={"daily": STAGES},
        classes=CLASSES,
        schedule=entries(),
        version="0.1.0",
        code_version=VERSION,
    )
    return replace(made, **changes)


def told(store: Store, **changes: Any) -> Told:
    """Name of each sample → its label values, in the order of the labels' names, → its value."""
    found: Told = {}
    for family in StoreCollector(lambda: store, view(**changes)).collect():
        for sample in family.samples:
            values = tuple(value for _, value in sorted(sample.labels.items()))
            assert values not in found.setdefault(sample.name, {}), f"{sample.name}{values} is told twice"
            found[sample.name][values] = sample.value
    return found


def open_metrics(store: Store) -> list[Metric]:
    """The families as a reader of OpenMetrics text finds them."""
    text: bytes = exposition.generate_latest(StoreCollector(lambda: store, view()))  # type: ignore[no-untyped-call]
    return list(parser.text_string_to_metric_families(text.decode()))  # type: ignore[no-untyped-call]


def claim(store: Store, run: Run, host: str = "host") -> Lease:
    """Write the run and begin it."""
    store.runs.create(run, f"{run.region}/{host}/1")
    lease = store.leases.acquire(f"run/{run.run_id}", f"{run.region}/{host}/1", TTL)
    assert lease is not None
    store.runs.start(run.run_id, run.region, lease)
    return lease


def stage(store: Store, run: Run, lease: Lease, name: str, *, error_class: str | None = None) -> None:
    """One stage of a run, done or failed after two seconds."""
    begun = StageRun(run_id=run.run_id, name=name, status=StageStatus.RUNNING, started=store.now())
    store.runs.stage_started(begun, lease)
    status = StageStatus.DONE if error_class is None else StageStatus.FAILED
    ended = replace(begun, status=status, ended=store.now(), seconds=2.0, error_class=error_class)
    store.runs.stage_ended(ended, lease)


def day_run(day: date, region: str = A, *, revision: int = 1, **changes: Any) -> Run:
    """The run of a region for a day."""
    run_id = f"{day:%Y%m%d}-{region}-0badcafe" + (f".r{revision}" if revision > 1 else "")
    return records.run(region, run_id=run_id, day=day, revision=revision, **changes)


def closed(
    store: Store, day: date, region: str = A, *, provisional: bool = False, stages: Sequence[str] = STAGES
) -> Run:
    """A sealed day with its result."""
    start = records.T0 + (day - records.DAY) * 1
    cutoff = start + timedelta(hours=12 if provisional else 24)
    store.runs.seal(records.seal(day=day, start=start, end=start + timedelta(days=1), cutoff=cutoff))
    run = day_run(day, region, queued_at=store.now())
    lease = claim(store, run)
    for name in stages:
        stage(store, run, lease, name)
    return store.runs.finish(run.run_id, lease, digest="d" * 64)


def failed(store: Store, day: date, region: str, name: str, error_class: str, host: str = "host") -> Run:
    """A run that failed for good in stage ``name``."""
    run = day_run(day, region, queued_at=store.now(), trace_id="b" * 32)
    lease = claim(store, run, host)
    stage(store, run, lease, name, error_class=error_class)
    return store.runs.fail(run.run_id, lease, verdict=records.verdict(error_class), error="it broke")


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    text: str


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def get(url: str, **headers: str) -> Answer:
    """One request, past every proxy, redirects not followed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with opener.open(request, timeout=10) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
    except urllib.error.HTTPError as answer:
        with answer:
            return Answer(answer.code, dict(answer.headers), answer.read().decode())
