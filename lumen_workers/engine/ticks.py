"""Runs what is scheduled: one slot of one entry in one region once, whoever sends it however often."""

from __future__ import annotations

import logging

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.errors import NetworkError
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline, Tick
from lumen_workers.engine.execute import told
from lumen_workers.engine.flow import start
from lumen_workers.engine.outcome import Fence, Fenced
from lumen_workers.engine.schedule import Entry
from lumen_workers.engine.seals import parse_day

log = logging.getLogger(__name__)


def run_tick(ctx: Context, tick: Tick) -> str:
    """Run ``tick`` unless its present slot has run. Returns one line for the log.

    The slot is told by store time when the work starts, not by the sender: a message that waited long in the queue
    belongs to the present slot or finds it taken.
    """
    entry = entry_of(ctx, tick.name, ctx.region)
    if entry is None:
        return "not scheduled here"
    slot = entry.slot(ctx.store.now())
    if not ctx.store.ticks.claim(entry.name, ctx.region, slot):
        return Fenced("this slot has run", Fence.SLOT_DONE)
    try:
        outcome = tick.run(ctx)
    except Exception as error:
        ctx.store.ticks.finish(entry.name, ctx.region, slot, f"failed: {told(error)}"[:500])
        raise
    ctx.store.ticks.finish(entry.name, ctx.region, slot, outcome)
    return outcome


def run_slot(ctx: Context, pipeline: Pipeline, trace_id: str) -> str:
    """Start ``pipeline`` for the day that the present slot closes: the calendar day before it.

    The slot is claimed once the run is written, for a claim that nothing follows would leave the day unbuilt. Two that
    start at once write one run. What fails for good is noted, with an alarm, and not tried again every few seconds.
    """
    entry = entry_of(ctx, pipeline.name, ctx.region)
    if entry is None:
        return "not scheduled here"
    slot = entry.slot(ctx.store.now())
    if has_run(ctx, entry, ctx.region, slot):
        return Fenced("this slot has run", Fence.SLOT_DONE)
    day = parse_day("yesterday", from_us(slot), ctx.zone)
    try:
        outcome = start(ctx, pipeline, day, trace_id, wait_s=entry.wait(ctx.region, slot)).run_id
    except NetworkError:
        raise
    except Exception as error:
        detail = f"{pipeline.name} of {day} was not started in {ctx.region}: {told(error)}"
        ctx.store.notices.raise_alarm(
            f"start/{pipeline.name}/{day}/{ctx.region}",
            "not_started",
            AlarmSeverity.PAGE,
            detail,
            facts={"pipeline": pipeline.name, "day": day.isoformat(), "region": ctx.region},
            trace_id=trace_id,
        )
        _close(ctx, entry, slot, f"failed: {told(error)}"[:500])
        raise
    _close(ctx, entry, slot, outcome)
    return outcome


def has_run(ctx: Context, entry: Entry, region: str, slot: int) -> bool:
    """Whether this slot or a later one was claimed in a region."""
    states = ctx.store.ticks.states()
    return any((s.entry, s.region) == (entry.name, region) and s.slot >= slot for s in states)


def entry_of(ctx: Context, run: str, region: str) -> Entry | None:
    """A region's entry for a tick or pipeline."""
    return next((entry for entry in ctx.schedule.values() if entry.run == run and region in entry.regions), None)


def _close(ctx: Context, entry: Entry, slot: int, outcome: str) -> None:
    if ctx.store.ticks.claim(entry.name, ctx.region, slot):
        ctx.store.ticks.finish(entry.name, ctx.region, slot, outcome)
