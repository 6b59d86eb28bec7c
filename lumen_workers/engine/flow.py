"""A run's life: started from a request, carried from stage to stage by messages, ended by the election."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta

from lumen_workers.domain import ids
from lumen_workers.domain.errors import BuildError, LeaseLost, StoreUnavailable
from lumen_workers.domain.runs import Lease, Owed, OwedState, Run, RunStatus, Seal, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.execute import clear, execute, set_aside, told
from lumen_workers.engine.seals import is_ours, seal_for

log = logging.getLogger(__name__)

CROSS_VERIFY = "cross_verify"

MAX_LOST = 5
"""So many attempts in a row may be lost (a worker died, a message went, other code came) before a person must look."""


def stage_task(pipeline: str, stage: str) -> str:
    """The task name of a stage."""
    return f"lumen.{pipeline}.{stage}"


def claim_name(run: Run) -> str:
    """The lease that every attempt of a region at one revision works under."""
    return f"run/{run.pipeline}/{run.day}/r{run.revision}/{run.region}"


def start(ctx: Context, pipeline: Pipeline, day: date, trace_id: str) -> Run:
    """Seal the day if need be, write this region's run and queue its first stage.

    Asked for again while a run of the revision is open or done, it returns that run and queues nothing.
    """
    mine = [run for run in ctx.store.runs.rows(pipeline=pipeline.name, day=day) if run.region == ctx.region]
    seal = seal_for(ctx, pipeline.name, day, mine)
    for run in mine:
        if run.revision == seal.revision and run.status not in (RunStatus.FAILED, RunStatus.LOST):
            log.info("%s: %s already, nothing to do", run.run_id, run.status)
            return run
    attempt = 1 + max((run.attempt for run in mine), default=0)
    run = ctx.store.runs.create(
        Run(
            run_id=ids.run_id(pipeline.name, seal.day, ctx.region, seal.code_version, attempt),
            pipeline=pipeline.name,
            day=seal.day,
            revision=seal.revision,
            region=ctx.region,
            attempt=attempt,
            status=RunStatus.QUEUED,
            trace_id=trace_id,
            queued_at=ctx.store.now(),
        )
    )
    send_stage(ctx, run, pipeline.stages[0].name)
    return run


def lost_in_a_row(runs: Iterable[Run]) -> int:
    """How many of the newest of these attempts (of one region at one day) were lost, one after the other."""
    newest_first = sorted(runs, key=lambda run: run.attempt, reverse=True)
    return next((n for n, run in enumerate(newest_first) if run.status is not RunStatus.LOST), len(newest_first))


def restart(ctx: Context, pipeline: Pipeline, lost: Run) -> Run | None:
    """The attempt that follows a lost one of this region. None, and an alarm: too many were lost in a row."""
    runs = ctx.store.runs.rows(pipeline=pipeline.name, day=lost.day)
    count = lost_in_a_row(run for run in runs if run.region == ctx.region)
    if count < MAX_LOST:
        return start(ctx, pipeline, lost.day, lost.trace_id)
    ctx.store.notices.raise_alarm(
        f"lost/{lost.run_id}",
        "run_lost",
        "crit",
        f"{lost.run_id} was lost, like {count - 1} attempts before it; look at the workers' logs, then ask again with "
        f"`lumen enqueue {pipeline.name} --region {ctx.region} --day {lost.day}`",
    )
    return None


def send_stage(ctx: Context, run: Run, stage: str) -> None:
    """Queue one stage of ``run`` on its region's jobs lane."""
    ctx.dispatcher.send(
        stage_task(run.pipeline, stage),
        region=run.region,
        lane="jobs",
        payload={"run_id": run.run_id, "attempt": run.attempt},
        trace_id=run.trace_id,
    )


def advance(ctx: Context, pipeline: Pipeline, stage_name: str, run_id: str, attempt: int) -> str:
    """Do one stage of a run, then queue the next one or end the run. Returns what came of it, for the log.

    A message whose attempt is no longer the row's, or whose run is final, is dropped; so is one that comes before its
    turn or finds the claim held. A failure is recorded with its class and raised.
    """
    run = ctx.store.runs.get(run_id)
    if run.status.final or run.attempt != attempt:
        return f"stale: {run_id} is {run.status}"
    seal = ctx.store.runs.seals(run.pipeline, run.day)[run.revision - 1]
    if not is_ours(ctx, seal):
        # The reconciler sees to a lost run that has no follower, should this process end before the next line does.
        if ctx.store.runs.lose(run_id) and run.region == ctx.region:
            restart(ctx, pipeline, run)
        return f"{run_id} was sealed by other code or configuration: lost, another attempt follows"
    if missing := {stage.name for stage in pipeline.before(stage_name)} - _done(run):
        return f"early: {run_id} has not done {', '.join(sorted(missing))}"
    lease = ctx.store.leases.acquire(claim_name(run), ctx.holder, ctx.lease_ttl)
    if lease is None:
        return f"claimed: somebody works on {run_id}"
    try:
        run = ctx.store.runs.start(run_id, ctx.region, lease)
        if stage_name not in _done(run):
            execute(pipeline.stage(stage_name), pipeline, ctx, run, seal, lease)
        following = pipeline.after(stage_name)
        if following is None:
            return _finish(ctx, pipeline, run, seal, lease)
    except (LeaseLost, StoreUnavailable):
        raise
    except Exception as error:
        _fail(ctx, run, lease, error)
        set_aside(ctx, run, seal)
        raise
    finally:
        _release(ctx, lease)
    send_stage(ctx, run, following.name)
    return f"{stage_name} done"


def _done(run: Run) -> set[str]:
    return {row.name for row in run.stages if row.status is StageStatus.DONE}


def _finish(ctx: Context, pipeline: Pipeline, run: Run, seal: Seal, lease: Lease) -> str:
    """Elect the winner, owe the cross-verification, and raise an alarm where two regions differ.

    The run is final from the election on: nothing that fails or is missed behind it can undo that. The reconciler makes
    up for the alarm, the message and the workspace.
    """
    stages = ctx.store.runs.get(run.run_id).stages
    digest = next((str(row.outputs["root"]) for row in stages if "root" in row.outputs), None)
    if digest is None:
        raise BuildError(f"no stage of {run.run_id} handed on a root")
    run = ctx.store.runs.finish(run.run_id, lease, digest=digest, owed=_owed(ctx, run))
    try:
        check_digest(ctx, run)
        if run.winner:
            _ask_for_cross_verification(ctx, run)
        if pipeline.elected is not None:
            pipeline.elected(ctx)
    except Exception:
        log.exception("%s is %s; what follows was broken off", run.run_id, run.status)
    clear(ctx, run, seal)
    return f"{run.status}: {digest}"


def check_digest(ctx: Context, run: Run) -> None:
    """Raise an alarm if a finished run's digest is not the result's."""
    result = ctx.store.runs.result(run.pipeline, run.day, run.revision)
    if result is not None and run.digest not in (None, result.digest):
        ctx.store.notices.raise_alarm(
            f"digest/{run.run_id}",
            "digest_mismatch",
            "crit",
            f"{run.run_id} built {str(run.digest)[:16]}…, the result by {result.run_id} is {result.digest[:16]}…: "
            f"the same seal must give the same bytes",
        )


def peer_of(ctx: Context, region: str) -> str | None:
    """The region that re-verifies what ``region`` has won: the next one in order. None: there is no other."""
    if len(ctx.regions) < 2 or region not in ctx.regions:
        return None
    return ctx.regions[(ctx.regions.index(region) + 1) % len(ctx.regions)]


def _owed(ctx: Context, run: Run) -> list[Owed]:
    peer = peer_of(ctx, run.region)
    if peer is None:
        return []
    return [
        Owed(
            kind=CROSS_VERIFY,
            key=owed_key(run.pipeline, run.day, run.revision),
            region=peer,
            state=OwedState.DUE,
            created=ctx.store.now(),
            payload={"pipeline": run.pipeline, "day": run.day.isoformat(), "revision": run.revision},
        )
    ]


def owed_key(pipeline: str, day: date, revision: int) -> str:
    """The key of a day's cross-verification."""
    return f"{pipeline}/{day}/r{revision}"


def _ask_for_cross_verification(ctx: Context, run: Run) -> None:
    """Send it at once rather than leave it to the reconciler's next look; a lost message is only later."""
    peer = peer_of(ctx, run.region)
    if peer is not None:
        send_owed(ctx, CROSS_VERIFY, owed_key(run.pipeline, run.day, run.revision), peer, run.trace_id)


def send_owed(ctx: Context, kind: str, key: str, region: str, trace_id: str) -> None:
    """Queue the work of an owed row and postpone its next look."""
    ctx.store.owed.postpone(kind, key, ctx.store.now() + timedelta(seconds=60), f"sent to {region}")
    ctx.dispatcher.send(f"lumen.{kind}", region=region, lane="jobs", payload={"key": key}, trace_id=trace_id)


def _fail(ctx: Context, run: Run, lease: Lease, error: Exception) -> None:
    error_class = ctx.judge(error).error_class
    alarm_failed(ctx, ctx.store.runs.fail(run.run_id, lease, error_class=error_class, error=told(error)))


def failure_key(run: Run) -> str:
    """The key of a failed run's alarm."""
    return f"run/{run.run_id}"


def alarm_failed(ctx: Context, run: Run) -> None:
    """Raise a failed run's alarm."""
    ctx.store.notices.raise_alarm(
        failure_key(run), "run_failed", "crit", f"{run.run_id} failed ({run.error_class}): {run.error}"
    )


def _release(ctx: Context, lease: Lease) -> None:
    try:
        ctx.store.leases.release(lease)
    except StoreUnavailable as error:
        log.warning("lease %s: not released, it will run out: %s", lease.name, error)
