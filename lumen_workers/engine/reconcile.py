"""Puts back what is owed and nobody does: lost claims, lost messages, slots that no beat fired, owed rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import Run, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.flow import CROSS_VERIFY, claim_name, send_owed, start

log = logging.getLogger(__name__)

QUEUE_PATIENCE = timedelta(seconds=60)
"""How long a queued stage may wait for a worker before its message is taken to be lost."""

SLOT_PATIENCE = timedelta(seconds=60)
"""How long after its instant a slot is left to the beat."""


def reconcile(ctx: Context, pipelines: Mapping[str, Pipeline]) -> str:
    """Look once. Old messages are never moved: what is owed goes out as a new attempt, which makes them stale."""
    requeued = sum(_revive(ctx, pipelines[run.pipeline], run) for run in ctx.store.runs.open())
    missed = sum(_fire(ctx, name) for name in pipelines)
    owed = _send_due(ctx)
    return f"{requeued} runs revived, {missed} slots fired, {owed} owed rows sent"


def take_over(ctx: Context, pipeline: Pipeline, run: Run) -> Run:
    """The next attempt of an open run of this region that nobody holds now, without waiting; else ``run`` itself.

    For whoever asks for the day by hand. A message that still waits in a queue becomes stale.
    """
    lease = ctx.store.leases.get(claim_name(run))
    if run.status.final or (lease is not None and lease.expires > ctx.store.now()):
        return run
    return start(ctx, pipeline, run.day, run.trace_id) if ctx.store.runs.lose(run.run_id) else run


def _revive(ctx: Context, pipeline: Pipeline, run: Run) -> bool:
    now = ctx.store.now()
    if run.region != ctx.region or not _abandoned(ctx, run, now) or not ctx.store.runs.lose(run.run_id):
        return False
    log.warning("%s: nobody works on it, next attempt", run.run_id)
    start(ctx, pipeline, run.day, run.trace_id)
    return True


def _abandoned(ctx: Context, run: Run, now: datetime) -> bool:
    lease = ctx.store.leases.get(claim_name(run))
    if lease is not None and lease.expires > now:
        return False
    if any(stage.status is StageStatus.RUNNING for stage in run.stages):
        return True
    last = max([run.queued_at, *(stage.ended for stage in run.stages if stage.ended)])
    return now - last > QUEUE_PATIENCE


def _fire(ctx: Context, pipeline: str) -> bool:
    """Send a cron entry whose slot has passed without having run; a slot before this region's time is not owed."""
    now = ctx.store.now()
    entry = next((item for item in ctx.schedule.values() if item.run == pipeline and item.cron is not None), None)
    if entry is None or ctx.region not in entry.regions:
        return False
    slot = from_us(entry.slot(now))
    if now - slot < SLOT_PATIENCE or slot < ctx.store.ticks.since(entry.name, ctx.region):
        return False
    states = {(state.entry, state.region): state.slot for state in ctx.store.ticks.states()}
    if states.get((entry.name, ctx.region), 0) >= entry.slot(now):
        return False
    ctx.dispatcher.send(f"lumen.{pipeline}", region=ctx.region, lane="jobs", payload={}, trace_id=new_trace_id())
    return True


def _send_due(ctx: Context) -> int:
    rows = ctx.store.owed.due(CROSS_VERIFY, ctx.region)
    for row in rows:
        send_owed(ctx, row.kind, row.key, ctx.region, new_trace_id())
    return len(rows)
