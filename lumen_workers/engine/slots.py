"""Cron slots that no beat has fired, and days that every region has failed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import Cause, Run, RunStatus
from lumen_workers.engine.attempts import lost_in_a_row
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.flow import MAX_LOST, start
from lumen_workers.engine.regions import Regions
from lumen_workers.engine.schedule import Entry
from lumen_workers.engine.seals import parse_day
from lumen_workers.engine.ticks import entry_of

PATIENCE: Final = timedelta(seconds=60)
"""How long after its instant a slot is left to the beat."""

LOOK_BACK: Final = timedelta(days=7)
"""How far back a slot that nobody fired is made up for, after all of the region was off."""

_SLOTS: Final = 50


@dataclass(frozen=True, kw_only=True)
class View:
    """What the store says of the slots of some regions, read at once however many they are.

    ``regions``: the pipelines and regions that are looked after and have nothing under way; ``fired``: (entry, region)
    → its latest slot; ``tried``: (pipeline, region, day) that have a run of the whole day; ``done``: (pipeline, day)
    that have such a result.
    """

    regions: tuple[tuple[Pipeline, str], ...]
    fired: Mapping[tuple[str, str], int]
    tried: frozenset[tuple[str, str, date]]
    done: frozenset[tuple[str, date]]


def look(
    ctx: Context, regions: Regions, pipelines: Collection[Pipeline], kept: Collection[str], open_runs: Iterable[Run]
) -> View:
    """Read it."""
    under_way = {(run.pipeline, run.region) for run in open_runs}
    since = (regions.now - LOOK_BACK - timedelta(days=2)).date()
    tried: set[tuple[str, str, date]] = set()
    done: set[tuple[str, date]] = set()
    for pipeline in pipelines:
        runs, results = ctx.store.runs.closed(pipeline.name, since)
        tried |= {(pipeline.name, region, day) for region, day in runs}
        done |= {(pipeline.name, day) for day in results}
    return View(
        regions=tuple(
            (pipeline, region)
            for region in regions.order
            for pipeline in pipelines
            if region in kept and regions.known(region) and (pipeline.name, region) not in under_way
        ),
        fired={(state.entry, state.region): state.slot for state in ctx.store.ticks.states()},
        tried=frozenset(tried),
        done=frozenset(done),
    )


def fire(ctx: Context, regions: Regions, view: View, pipeline: Pipeline, region: str) -> bool:
    """Begin the oldest slot of ``region`` that has passed without having run; returns whether there was one.

    One before the region's time is not owed. One at a time, so that each day finds the digest of the one before it.
    Where the region's own workers cannot, its stand-in does the day in its name, unless the day has its result.
    """
    entry = entry_of(ctx, pipeline.name, region)
    executor = regions.executor(region)
    if entry is None or entry.cron is None or executor is None:
        return False
    for due in _owed(ctx, regions, entry, region):
        day = parse_day("yesterday", due, ctx.zone)
        latest = due == entry.due_before(regions.now)
        has_run = latest and view.fired.get((entry.name, region), -1) >= entry.slot(due)
        if has_run or (pipeline.name, region, day) in view.tried:
            continue
        if executor == region:
            payload = {} if latest else {"day": day.isoformat()}
            task, trace_id = f"lumen.{pipeline.name}", new_trace_id()
            ctx.dispatcher.send(task, region=region, lane="jobs", payload=payload, trace_id=trace_id)
            return True
        if (pipeline.name, day) not in view.done:
            start(ctx, pipeline, day, new_trace_id(), region=region, lane=executor, cause=Cause.TAKEOVER)
            return True
    return False


def _owed(ctx: Context, regions: Regions, entry: Entry, region: str) -> list[datetime]:
    now = regions.now
    oldest = max(ctx.store.ticks.since(entry.name, region), now - LOOK_BACK)
    return list(takewhile(lambda due: due >= oldest, islice(entry.back(now - PATIENCE), _SLOTS)))[::-1]


def is_done(ctx: Context, pipeline: str, day: date) -> bool:
    """Whether the day as it was after its end has a result."""
    return day in ctx.store.runs.closed(pipeline, day)[1]


def check_day(ctx: Context, regions: Regions, view: View, pipeline: Pipeline) -> bool:
    """Raise the day's alarm when the day that the last slot closed was given up by every region that owes it.

    A region that has yet to begin it (its slot is young, or it begins later than others) may still save the day.
    Returns whether it was raised.
    """
    entry = entry_of(ctx, pipeline.name, ctx.region)
    if entry is None or entry.cron is None:
        return False
    day = parse_day("yesterday", entry.due_before(regions.now), ctx.zone)
    if (pipeline.name, day) in view.done or not any((name, d) == (pipeline.name, day) for name, _, d in view.tried):
        return False
    whole = {seal.revision for seal in ctx.store.runs.seals(pipeline.name, day) if not seal.provisional}
    runs = [run for run in ctx.store.runs.rows(pipeline=pipeline.name, day=day) if run.revision in whole]
    owing = [region for region in entry.regions if regions.executor(region) and regions.known(region)]
    if not runs or not all(_given_up([run for run in runs if run.region == region]) for region in owing):
        return False
    key = f"day/{pipeline.name}/{day}"
    if ctx.store.notices.alarm(key) is not None:
        return False  # it was told, and a person who has resolved it knows
    newest = {run.region: run for run in sorted(runs, key=lambda run: run.attempt)}
    reasons = "; ".join(f"{region}: {run.error_class or run.status}" for region, run in sorted(newest.items()))
    raised = ctx.store.notices.raise_alarm(
        key,
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


def _given_up(runs: list[Run]) -> bool:
    """Whether no further attempt of a region comes by itself."""
    if not runs:
        return False
    newest = max(runs, key=lambda run: run.attempt)
    return newest.status is RunStatus.FAILED or (newest.status is RunStatus.LOST and lost_in_a_row(runs) >= MAX_LOST)
