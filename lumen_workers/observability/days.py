"""The pipelines: last runs and stages, the last due day, the archive's integrity (S18)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Final

from prometheus_client.metrics_core import Metric

from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import StageStatus
from lumen_workers.engine.schedule import Entry
from lumen_workers.engine.seals import parse_day
from lumen_workers.observability.families import gauge, gauges
from lumen_workers.observability.view import View

INTEGRITY_KINDS: Final = frozenset({"digest_mismatch", "cross_verify_failed", "log_refuses"})
"""Alarms that say that the archive's bytes are not what they should be."""

LOOK_BACK: Final = timedelta(days=7)
"""How far back a row of days without a result is followed."""

_PDF: Final = "pdf"


def stages(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """The newest end of a run, and of each stage what came of it in the newest run that had it."""
    ended = {pipeline: store.runs.last_ended(pipeline) for pipeline in view.stages}
    last = [
        ((pipeline, stage.name), stage)
        for pipeline, names in view.stages.items()
        for stage in store.runs.last_stages(pipeline, names)
    ]
    at = (((pipeline,), end.timestamp()) for pipeline, end in ended.items() if end is not None)
    about = "When a run of the pipeline last ended, well or not"
    yield from gauges("lumen_pipeline_last_run_timestamp", about, ("pipeline",), at)
    done = ((key, float(stage.status is StageStatus.DONE)) for key, stage in last)
    about = "1: the stage was done in the newest run that had it"
    yield from gauges("lumen_pipeline_success", about, ("pipeline", "stage"), done)
    seconds = ((key, stage.seconds) for key, stage in last if stage.seconds is not None)
    about = "How long the stage took in that run"
    yield from gauges("lumen_pipeline_duration_seconds", about, ("pipeline", "stage"), seconds)
    kinds = {alarm.kind for alarm in store.notices.alarms(standing=True)}
    sound = float(not kinds & INTEGRITY_KINDS) if any(ended.values()) else None
    about = "0: an alarm stands that says that the archive is not what was built"
    yield from gauge("lumen_remote_integrity_ok", about, sound)


def open_runs(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """Runs that are queued or running."""
    counts = Counter(run.region for run in store.runs.open())
    rows = (((region,), float(counts[region])) for region in dict.fromkeys((*view.regions, *counts)))
    yield from gauges("lumen_runs_open", "Runs that are queued or running", ("region",), rows)


def due_days(store: Store, view: View, now: datetime) -> Iterator[Metric]:
    """How late the day is, and whether it has its report; nothing before a day was due."""
    late: dict[str, float] = {}
    reports: list[bool] = []
    for entry in view.schedule.values():
        if entry.cron is None or entry.run not in view.stages:
            continue
        missing = _missing(store, entry, now)
        if missing is None:
            continue
        late[entry.run] = (now - missing[-1]).total_seconds() if missing else 0.0
        if _PDF in view.stages[entry.run]:
            reports.append(not missing or _has_report(store, entry, _day(entry, missing[0])))
    about = "How long past due the oldest of the last days in a row without a whole result is; 0: the last day has one"
    yield from gauges("lumen_day_overdue_seconds", about, ("pipeline",), (((name,), s) for name, s in late.items()))
    about = "1: the last day that was due has its report"
    yield from gauge("lumen_report_generated", about, float(all(reports)) if reports else None)


def _missing(store: Store, entry: Entry, now: datetime) -> list[datetime] | None:
    """Due instants, newest first, of the last days in a row without a whole result; None before anything was due."""
    known = store.ticks.known_since(entry.name)
    if known is None:
        return None
    oldest = max(known, now - LOOK_BACK)
    due = list(takewhile(lambda at: at >= oldest, entry.back(now)))
    if not due and entry.due_before(now) < known:
        return None
    return list(takewhile(lambda at: not _is_whole(store, entry.run, _day(entry, at)), due))


def _day(entry: Entry, due: datetime) -> date:
    """The day that a slot closes."""
    return parse_day("yesterday", due, entry.zone)


def _is_whole(store: Store, pipeline: str, day: date) -> bool:
    """Whether there is a result of the day as it was after its end."""
    decided = {result.revision for result in store.runs.results(pipeline, day)}
    return bool(decided) and any(
        seal.revision in decided and not seal.provisional for seal in store.runs.seals(pipeline, day)
    )


def _has_report(store: Store, entry: Entry, day: date) -> bool:
    return any(
        stage.name == _PDF and stage.status is StageStatus.DONE
        for run in store.runs.rows(pipeline=entry.run, day=day)
        for stage in run.stages
    )
