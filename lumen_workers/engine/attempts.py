"""Attempts at a region's day: the first, and what follows one that was lost or has failed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from lumen_workers.domain import ids
from lumen_workers.domain.failures import Verdict
from lumen_workers.domain.runs import Cause, Run, RunStatus, Seal, StageRun, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline

BUDGET_WINDOW = timedelta(hours=24)
"""The time over which a class's reruns are counted against its budget."""

_JITTER = 0.2
"""Reruns wait up to this share longer, so that regions that failed together do not come back together."""


def attempt(
    ctx: Context,
    seal: Seal,
    mine: Iterable[Run],
    *,
    region: str,
    lane: str,
    trace_id: str,
    cause: Cause = Cause.ASKED,
    follows: Run | None = None,
) -> Run:
    """The next attempt of ``region`` at ``seal``, not yet written; ``mine`` are its runs of the day.

    The workers of ``lane`` are to do it. It goes on behind the stages that ``follows`` has done, if those were done
    there from the same seal: another region's signature, for example, is no use to this one.
    """
    number = 1 + max((run.attempt for run in mine), default=0)
    run_id = ids.run_id(seal.pipeline, seal.day, region, seal.code_version, number)
    return Run(
        run_id=run_id,
        pipeline=seal.pipeline,
        day=seal.day,
        revision=seal.revision,
        region=region,
        attempt=number,
        status=RunStatus.QUEUED,
        trace_id=trace_id,
        queued_at=ctx.store.now(),
        assigned=lane,
        cause=cause,
        follows=follows.run_id if follows else None,
        stages=_carried(run_id, seal, follows, lane) if follows else (),
    )


def _carried(run_id: str, seal: Seal, follows: Run, lane: str) -> tuple[StageRun, ...]:
    if (follows.revision, follows.lane_region) != (seal.revision, lane):
        return ()
    return tuple(
        replace(stage, run_id=run_id, carried_from=stage.carried_from or follows.run_id)
        for stage in follows.stages
        if stage.status is StageStatus.DONE
    )


def first_stage(pipeline: Pipeline, run: Run) -> str | None:
    """The stage at which ``run`` goes on. None: all are done, and only the election is left."""
    done = done_stages(run)
    return next((stage.name for stage in pipeline.stages if stage.name not in done), None)


def done_stages(run: Run) -> set[str]:
    """The names of the stages that are done."""
    return {row.name for row in run.stages if row.status is StageStatus.DONE}


def rerun(ctx: Context, run: Run, seal: Seal, verdict: Verdict) -> Run | None:
    """The attempt that tries a failed stage again, and when. None: the class, the run or the day has had its share.

    A person who asks again begins a new count. What the peer asks us to wait is waited, if it is longer.
    """
    policy = ctx.policies[verdict.error_class]
    mine = runs_of(ctx, run.pipeline, run.day, run.region)
    tried = _reruns_in_a_row(mine)
    spent = ctx.store.runs.reruns(verdict.error_class, ctx.store.now() - BUDGET_WINDOW)
    if tried >= policy.reruns or spent >= policy.budget:
        return None
    backoff = policy.backoff_s[min(tried, len(policy.backoff_s) - 1)] if policy.backoff_s else 0.0
    wait = max(backoff, verdict.retry_after_s or 0.0) * (1 + random.uniform(0, _JITTER))  # noqa: S311  (no secret)
    follower = attempt(
        ctx,
        seal,
        mine,
        region=run.region,
        lane=ctx.region,
        trace_id=run.trace_id,
        cause=Cause.RERUN,
        follows=ctx.store.runs.get(run.run_id),
    )
    return replace(follower, not_before=follower.queued_at + timedelta(seconds=wait))


def runs_of(ctx: Context, pipeline: str, day: date, region: str) -> list[Run]:
    """A region's runs of one day, newest attempt first."""
    runs = ctx.store.runs.rows(pipeline=pipeline, day=day, region=region)
    return sorted(runs, key=lambda run: run.attempt, reverse=True)


def lost_in_a_row(runs: Iterable[Run]) -> int:
    """How many of the newest of these attempts (of one region at one day) were lost, one after the other.

    One that somebody has asked for, rather than one that follows another by itself, begins a new count.
    """
    count = 0
    for run in sorted(runs, key=lambda run: run.attempt, reverse=True):
        if run.status is not RunStatus.LOST:
            break
        count += 1
        if run.follows is None:
            break
    return count


def _reruns_in_a_row(mine: Iterable[Run]) -> int:
    """How many of the newest attempts since somebody asked were reruns; losses in between do not break the row."""
    count = 0
    for run in mine:
        count += run.cause is Cause.RERUN
        if run.follows is None:
            break
    return count
