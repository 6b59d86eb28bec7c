"""Runs ticks: one slot of one entry in one region once, whoever sends it however often."""

from __future__ import annotations

import logging

from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Tick
from lumen_workers.engine.schedule import Entry

log = logging.getLogger(__name__)


def run_tick(ctx: Context, tick: Tick) -> str:
    """Run ``tick`` unless its present slot has run. Returns one line for the log.

    The slot is told by store time when the work starts, not by the sender: a message that waited long in the queue
    belongs to the present slot or finds it taken.
    """
    entry = entry_of(ctx, tick.name)
    if entry is None or ctx.region not in entry.regions:
        return "not scheduled here"
    slot = entry.slot(ctx.store.now())
    if not ctx.store.ticks.claim(entry.name, ctx.region, slot):
        return "this slot has run"
    try:
        outcome = tick.run(ctx)
    except Exception as error:
        ctx.store.ticks.finish(entry.name, ctx.region, slot, f"failed: {type(error).__name__}: {error}"[:500])
        raise
    ctx.store.ticks.finish(entry.name, ctx.region, slot, outcome)
    return outcome


def entry_of(ctx: Context, run: str) -> Entry | None:
    """The schedule's entry for a tick or pipeline."""
    return next((entry for entry in ctx.schedule.values() if entry.run == run), None)
