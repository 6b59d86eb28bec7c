"""Cron slots that no beat has fired, and days that every region has failed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import Cause, RunStatus
from lumen_workers.engine.attempts import runs_of
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.flow import start
from lumen_workers.engine.regions import Regions
from lumen_workers.engine.schedule import Entry
from lumen_workers.engine.seals import parse_day
from lumen_workers.engine.ticks import entry_of, has_run

PATIENCE: Final = timedelta(seconds=60)
"""How long after its instant a slot is left to the beat."""

LOOK_BACK: Final = timedelta(days=7)
"""How far back a slot that nobody fired is made up for, after all of the region was off."""

_SLOTS: Final = 50


def fire(ctx: Context, regions: Regions, pipeline: Pipeline, region: str) -> bool:
    """Begin the oldest slot of ``region`` that has passed without having run; returns whether there was one.

    One before the region's time is not owed. One at a time, so that each day finds the digest of the one before it.
    Where the region's own workers cannot, its stand-in does the day in its name, unless the day has its result.
    """
    entry = entry_of(ctx, pipeline.name, region)
    executor = regions.executor(region)
    if entry is None or entry.cron is None or executor is None or not regions.known(region):
        return False
    if any(run.region == region and run.pipeline == pipeline.name for run in ctx.store.runs.open()):
        return False
    for due in _owed(ctx, entry, region):
        day = parse_day("yesterday", due, ctx.zone)
        latest = due == entry.due_before(regions.now)
        if (latest and has_run(ctx, entry, region, entry.slot(due))) or has_closed(ctx, pipeline.name, day, region):
            continue
        if executor == region:
            payload = {} if latest else {"day": day.isoformat()}
            task, trace_id = f"lumen.{pipeline.name}", new_trace_id()
            ctx.dispatcher.send(task, region=region, lane="jobs", payload=payload, trace_id=trace_id)
            return True
        if not is_done(ctx, pipeline.name, day):
            start(ctx, pipeline, day, new_trace_id(), region=region, lane=executor, cause=Cause.TAKEOVER)
            return True
    return False


def _owed(ctx: Context, entry: Entry, region: str) -> list[datetime]:
    now = ctx.store.now()
    oldest = max(ctx.store.ticks.since(entry.name, region), now - LOOK_BACK)
    return list(takewhile(lambda due: due >= oldest, islice(entry.back(now - PATIENCE), _SLOTS)))[::-1]


def has_closed(ctx: Context, pipeline: str, day: date, region: str) -> bool:
    """Whether the region has a run of the day as it was after its end; provisional ones do not count."""
    whole = _whole(ctx, pipeline, day)
    return bool(whole) and any(run.revision in whole for run in runs_of(ctx, pipeline, day, region))


def is_done(ctx: Context, pipeline: str, day: date) -> bool:
    """Whether the day as it was after its end has a result."""
    whole = _whole(ctx, pipeline, day)
    return bool(whole) and any(result.revision in whole for result in ctx.store.runs.results(pipeline, day))


def _whole(ctx: Context, pipeline: str, day: date) -> set[int]:
    return {seal.revision for seal in ctx.store.runs.seals(pipeline, day) if not seal.provisional}


def check_day(ctx: Context, regions: Regions, pipeline: Pipeline) -> bool:
    """Raise the day's alarm when the day that the last slot closed has failed in every region that tried it.

    Returns whether it was raised.
    """
    entry = entry_of(ctx, pipeline.name, ctx.region)
    if entry is None or entry.cron is None:
        return False
    day = parse_day("yesterday", entry.due_before(regions.now), ctx.zone)
    runs = ctx.store.runs.rows(pipeline=pipeline.name, day=day)
    newest = {run.region: run for run in sorted(runs, key=lambda run: run.attempt)}
    if not newest or any(run.status is not RunStatus.FAILED for run in newest.values()):
        return False
    if is_done(ctx, pipeline.name, day):
        return False
    reasons = "; ".join(f"{region}: {run.error_class}" for region, run in sorted(newest.items()))
    raised = ctx.store.notices.raise_alarm(
        f"day/{pipeline.name}/{day}",
        "day_failed",
        AlarmSeverity.PAGE,
        f"{pipeline.name} of {day} has failed in every region that tried it ({reasons}); mend what they name, then "
        f"`lumen enqueue {pipeline.name} --day {day}`",
        facts={"pipeline": pipeline.name, "day": day.isoformat()},
        trace_id=next(iter(newest.values())).trace_id,
    )
    if raised:
        ctx.store.tallies.add("lumen_days_failed_total", {"pipeline": pipeline.name})
    return raised
