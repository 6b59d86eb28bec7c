"""A run's life: started from a request, carried from stage to stage by messages, ended by the election."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from lumen_workers.domain.errors import BuildError, LeaseLost, NotFound, StoreUnavailable
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ports import Store
from lumen_workers.domain.runs import Cause, Lease, Owed, OwedState, Result, Run, RunStatus, Seal
from lumen_workers.engine import tickets
from lumen_workers.engine.attempts import attempt, done_stages, first_stage, lost_in_a_row, rerun, runs_of
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.execute import clear, execute, set_aside, told
from lumen_workers.engine.outbox import report_sends
from lumen_workers.engine.outcome import Fence, Fenced
from lumen_workers.engine.regions import RUN_LEASE, is_drained
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
    return f"{RUN_LEASE}{run.pipeline}/{run.day}/r{run.revision}/{run.region}"


def start(
    ctx: Context,
    pipeline: Pipeline,
    day: date,
    trace_id: str,
    *,
    region: str | None = None,
    lane: str | None = None,
    cause: Cause = Cause.ASKED,
    follows: Run | None = None,
    wait_s: float = 0.0,
) -> Run:
    """Seal the day if need be, write the run of ``region`` and queue its first stage in ``lane``.

    Both are this region unless given: the run of a region whose workers cannot goes into the lane of another.

    Asked for again while a run of the revision is open or done, it returns that run and queues nothing. ``follows``
    is the attempt that was lost; what it has done here is not done again. With ``wait_s`` it is the reconciler that
    queues the first stage, so many seconds from now.
    """
    region = region or ctx.region
    mine = runs_of(ctx, pipeline.name, day, region)
    seal = seal_for(ctx, pipeline.name, day, mine)
    for run in mine:
        if run.revision == seal.revision and run.status not in (RunStatus.FAILED, RunStatus.LOST):
            log.info("%s: %s already, nothing to do", run.run_id, run.status)
            return run
    planned = attempt(
        ctx, seal, mine, region=region, lane=lane or ctx.region, trace_id=trace_id, cause=cause, follows=follows
    )
    if wait_s > 0:
        return ctx.store.runs.create(
            replace(planned, not_before=planned.queued_at + timedelta(seconds=wait_s)), ctx.holder
        )
    run = ctx.store.runs.create(planned, ctx.holder)
    if run.not_before is None:
        send_next(ctx, pipeline, run)
    return run


def restart(ctx: Context, pipeline: Pipeline, lost: Run, *, lane: str | None = None) -> Run | None:
    """The attempt that follows a lost one, in ``lane``. None, and an alarm: too many were lost in a row."""
    lane = lane or ctx.region
    count = lost_in_a_row(runs_of(ctx, pipeline.name, lost.day, lost.region))
    if count < MAX_LOST:
        cause = Cause.LOST if lost.region == lane else Cause.TAKEOVER
        return start(ctx, pipeline, lost.day, lost.trace_id, region=lost.region, lane=lane, cause=cause, follows=lost)
    if ctx.store.notices.alarm(f"lost/{lost.run_id}") is not None:
        return None  # a person has seen it, and what they have resolved does not come up again by itself
    ctx.store.notices.raise_alarm(
        f"lost/{lost.run_id}",
        "run_lost",
        AlarmSeverity.PAGE,
        f"{lost.run_id} was lost, like {count - 1} attempts before it; look at the workers' logs, then ask again with "
        f"`lumen enqueue {pipeline.name} --region {lost.region} --day {lost.day}`",
        facts=tickets.facts_of(lost),
        trace_id=lost.trace_id,
    )
    return None


def send_next(ctx: Context, pipeline: Pipeline, run: Run) -> None:
    """Queue the stage at which ``run`` goes on; where all are done, the last one, for the election is still due."""
    send_stage(ctx, run, first_stage(pipeline, run) or pipeline.stages[-1].name)


def send_stage(ctx: Context, run: Run, stage: str) -> None:
    """Queue one stage of ``run`` on the jobs lane of the region that is to do it."""
    ctx.dispatcher.send(
        stage_task(run.pipeline, stage),
        region=run.lane_region,
        lane="jobs",
        payload={"run_id": run.run_id, "attempt": run.attempt},
        trace_id=run.trace_id,
    )


def advance(ctx: Context, pipeline: Pipeline, stage_name: str, run_id: str, attempt: int) -> str:
    """Do one stage of one attempt, then queue the next one; at the end, hold the election.

    A message of another attempt, of a final run or of a claim that somebody holds does nothing. A failure that its
    class forgives is tried again later, from this stage on; any other ends the run and is told. The store being away
    ends nothing: the claim runs out, and the reconciler makes a new attempt. Returns one line; raises LeaseLost,
    StoreUnavailable and, once it is recorded, what the stage raised.
    """
    run = ctx.store.runs.get(run_id)
    if attempt != run.attempt or run.status.final:
        return Fenced(f"stale: {run_id} is {run.status}", Fence.STALE_ATTEMPT)
    if run.lane_region != ctx.region:
        return Fenced(f"stale: {run_id} is {run.lane_region}'s to do", Fence.STALE_ATTEMPT)
    if run.is_new and is_drained(ctx, ctx.region):
        return f"drained: {ctx.region} takes nothing new, {run_id} is left to its stand-in"
    seal = ctx.store.runs.seals(run.pipeline, run.day)[run.revision - 1]
    if not is_ours(ctx, seal):
        # The reconciler sees to a lost run that has no follower, should this process end before the next line does.
        why = "it was sealed by other code or configuration"
        if ctx.store.runs.lose(run_id, ctx.holder, why):
            restart(ctx, pipeline, run)
        return f"{run_id}: {why}; lost, another attempt follows"
    if missing := {stage.name for stage in pipeline.before(stage_name)} - done_stages(run):
        return f"early: {run_id} has not done {', '.join(sorted(missing))}"
    lease = ctx.store.leases.acquire(claim_name(run), ctx.holder, ctx.lease_ttl)
    if lease is None:
        return f"claimed: somebody works on {run_id}"
    try:
        run = ctx.store.runs.start(run_id, ctx.region, lease)
        if stage_name not in done_stages(run):
            execute(pipeline.stage(stage_name), pipeline, ctx, run, seal, lease)
        following = pipeline.after(stage_name)
        if following is None:
            return _finish(ctx, pipeline, run, seal, lease)
    except (LeaseLost, StoreUnavailable):
        raise
    except Exception as error:
        _fail(ctx, run, seal, stage_name, lease, error)
        raise
    finally:
        _release(ctx, lease)
    send_stage(ctx, run, following.name)
    return f"{stage_name} done"


def _finish(ctx: Context, pipeline: Pipeline, run: Run, seal: Seal, lease: Lease) -> str:
    """Elect the winner, owe the cross-verification, and raise an alarm where two regions differ.

    The run is final from the election on: nothing that fails or is missed behind it can undo that. The reconciler makes
    up for the alarms, the message and the workspace.
    """
    stages = ctx.store.runs.get(run.run_id).stages
    digest = next((str(row.outputs["root"]) for row in stages if "root" in row.outputs), None)
    if digest is None:
        raise BuildError(f"no stage of {run.run_id} handed on a root")
    owed, sends = _owed(ctx, run), report_sends(ctx, run, seal, digest)
    run = ctx.store.runs.finish(run.run_id, lease, digest=digest, owed=owed, sends=sends)
    for follow_up in (check_digest, tickets.close, _ask_for_cross_verification):
        _try(follow_up, ctx, run)
    if pipeline.elected is not None:
        _try(lambda ctx, _: pipeline.elected(ctx) if pipeline.elected else None, ctx, run)
    clear(ctx, run, seal)
    return f"{run.status}: {digest}"


def check_digest(ctx: Context, run: Run) -> None:
    """Raise an alarm if a finished run's digest is not the result's."""
    result = ctx.store.runs.result(run.pipeline, run.day, run.revision)
    differs = result is not None and run.digest not in (None, result.digest)
    if result is not None and differs and ctx.store.notices.alarm(f"digest/{run.run_id}") is None:
        ctx.store.notices.raise_alarm(
            f"digest/{run.run_id}",
            "digest_mismatch",
            AlarmSeverity.PAGE,
            f"{run.run_id} built {str(run.digest)[:16]}…, the result by {result.run_id} is {result.digest[:16]}…: "
            f"the same seal must give the same bytes",
            facts=tickets.facts_of(run),
            trace_id=run.trace_id,
        )


def peer_of(ctx: Context, region: str) -> str | None:
    """The region that re-verifies what ``region`` has won: the next one in order. None: there is no other."""
    if len(ctx.regions) < 2 or region not in ctx.regions:
        return None
    return ctx.regions[(ctx.regions.index(region) + 1) % len(ctx.regions)]


def _owed(ctx: Context, run: Run) -> list[Owed]:
    peer = peer_of(ctx, ctx.region)
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


def overdue_key(key: str) -> str:
    """The alarm of a cross-verification that stays owed."""
    return f"{CROSS_VERIFY}/overdue/{key}"


def _ask_for_cross_verification(ctx: Context, run: Run) -> None:
    """Send it at once rather than leave it to the reconciler's next look; a lost message is only later."""
    peer = peer_of(ctx, ctx.region)
    if run.winner and peer is not None:
        send_owed(ctx, CROSS_VERIFY, owed_key(run.pipeline, run.day, run.revision), peer, run.trace_id)


def trace_of(store: Store, result: Result | None) -> str | None:
    """The trace id of the run that won a day; None where nobody has, or the run is no longer known."""
    try:
        return None if result is None else store.runs.get(result.run_id).trace_id
    except NotFound:
        return None


def send_owed(ctx: Context, kind: str, key: str, region: str, trace_id: str) -> None:
    """Queue the work of an owed row and postpone its next look."""
    ctx.store.owed.postpone(kind, key, ctx.store.now() + timedelta(seconds=60), f"sent to {region}")
    ctx.dispatcher.send(f"lumen.{kind}", region=region, lane="jobs", payload={"key": key}, trace_id=trace_id)


def _fail(ctx: Context, run: Run, seal: Seal, stage: str, lease: Lease, error: Exception) -> None:
    """Record it; then a rerun is queued, or people are told."""
    verdict = ctx.judge(error)
    follow = rerun(ctx, run, seal, verdict)
    failed = ctx.store.runs.fail(run.run_id, lease, verdict=verdict, error=told(error), follow=follow)
    if follow is not None:
        log.warning(
            "%s %s: %s (%s), again at %s", run.run_id, stage, told(error), verdict.error_class, follow.not_before
        )
        return
    tickets.give_up(ctx, failed, stage)
    set_aside(ctx, run, seal)


def _try(follow_up: Callable[[Context, Run], object], ctx: Context, run: Run) -> None:
    """What comes after the election cannot undo it; the reconciler makes up for what is missed."""
    try:
        follow_up(ctx, run)
    except Exception:
        log.exception("%s is %s; what follows was broken off", run.run_id, run.status)


def _release(ctx: Context, lease: Lease) -> None:
    try:
        ctx.store.leases.release(lease)
    except StoreUnavailable as error:
        log.warning("lease %s: not released, it will run out: %s", lease.name, error)
