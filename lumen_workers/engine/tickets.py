"""Telling people what no rerun will mend: one alarm for each (day, pipeline, region, stage, class), one letter."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.runs import Run, RunStatus, StageStatus
from lumen_workers.engine.context import Context

REPEATED_WITHIN = timedelta(hours=6)
REPEATED = 2
"""So many failures of one region within that time are a ticket of their own."""

_OF_A_RUN = frozenset({"run_failed", "run_lost", "not_started"})


def give_up(ctx: Context, run: Run, stage: str) -> None:
    """A failed run is not tried again: its letter, its ticket and, if its region fails repeatedly, the region's."""
    error_class = run.error_class or "unknown"
    _write_letter(ctx, run, stage)
    policy = ctx.policies[error_class]
    if policy.ticket:
        ctx.store.notices.raise_alarm(
            ticket_key(run, stage),
            "run_failed",
            policy.severity,
            f"{run.run_id} failed in {stage} ({error_class}): {run.error}",
            facts=facts_of(run) | {"stage": stage},
            trace_id=run.trace_id,
        )
    _note_repetition(ctx, run)


def has_told(ctx: Context, run: Run) -> bool:
    """Whether a failed run's end was told: a worker may have died before it could. A ticket that is over counts too."""
    if ctx.policies[run.error_class or "unknown"].ticket:
        alarm = ctx.store.notices.alarm(ticket_key(run, failed_stage(run)))
        return alarm is not None and (alarm.resolved_at is None or run.ended is None or alarm.resolved_at >= run.ended)
    return _letter_of(ctx, run)


def ticket_key(run: Run, stage: str) -> str:
    """What makes two failures one ticket."""
    return f"failed/{run.pipeline}/{run.day}/{run.region}/{stage}/{run.error_class}"


def failed_stage(run: Run) -> str:
    """The stage in which a run failed; ``election`` behind the last one."""
    return next((stage.name for stage in run.stages if stage.status is StageStatus.FAILED), "election")


def facts_of(run: Run) -> dict[str, Any]:
    """What an alarm about a run tells programs."""
    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "day": run.day.isoformat(),
        "region": run.region,
        "executed_by": run.executed_by,
        "class": run.error_class,
    }


def close(ctx: Context, run: Run) -> None:
    """A run has ended well: what was told of this region's earlier failures at the day is over, and the day's too."""
    for alarm in ctx.store.notices.alarms(standing=True):
        facts = alarm.facts
        same_day = (facts.get("pipeline"), facts.get("day")) == (run.pipeline, run.day.isoformat())
        same_region = facts.get("region") == run.region
        of_the_day = same_day and (alarm.kind == "day_failed" or (alarm.kind in _OF_A_RUN and same_region))
        if of_the_day or (alarm.kind == "region_failing" and same_region):
            ctx.store.notices.resolve(alarm.key, ctx.holder)


def _write_letter(ctx: Context, run: Run, stage: str) -> None:
    """Keep the message, once: to replay it is to ask for another attempt, from the failed stage on."""
    if _letter_of(ctx, run):
        return
    task = f"lumen.{run.pipeline}.{stage}"
    payload = json.dumps({"kwargs": {"run_id": run.run_id, "attempt": run.attempt, "trace_id": run.trace_id}})
    reason = f"out of reruns: {run.error_class} ({run.error_rule}): {run.error}"
    ctx.store.notices.refuse(task, run.region, reason[:1000], payload, run.trace_id)


def _letter_of(ctx: Context, run: Run) -> bool:
    """Whether a run has its letter, whatever has become of it."""
    letters = ctx.store.notices.letters(trace_id=run.trace_id)
    return any(f'"run_id": "{run.run_id}"' in letter.payload for letter in letters)


def _note_repetition(ctx: Context, run: Run) -> None:
    since = ctx.store.now() - REPEATED_WITHIN
    recent = ctx.store.runs.rows(region=run.region, limit=20)
    failed = [r for r in recent if r.status is RunStatus.FAILED and r.ended is not None and r.ended >= since]
    if len(failed) >= REPEATED:
        ctx.store.notices.raise_alarm(
            f"repeated/{run.region}/{failed[0].ended:%Y-%m-%d}",
            "region_failing",
            AlarmSeverity.TICKET,
            f"{run.region} has failed {len(failed)} times within 6 hours, last {failed[0].run_id} ({run.error_class}); "
            f"`lumen runs list --region {run.region}` shows them",
            facts={"region": run.region},
            trace_id=run.trace_id,
        )
