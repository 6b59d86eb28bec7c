"""Puts back what is owed and nobody does: lost claims, lost messages, silent regions, slots, owed rows, alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import TypeVar

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import Owed, Result, Run, RunStatus, StageStatus
from lumen_workers.engine import slots, tickets
from lumen_workers.engine.attempts import lost_in_a_row, runs_of
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.execute import sweep
from lumen_workers.engine.flow import (
    CROSS_VERIFY,
    check_digest,
    claim_name,
    overdue_key,
    restart,
    send_next,
    send_owed,
    start,
    trace_of,
)
from lumen_workers.engine.regions import JOBS, Regions, look_at
from lumen_workers.engine.requests import REQUEST, pursue

log = logging.getLogger(__name__)

QUEUE_PATIENCE = timedelta(seconds=60)
"""How long a stage may wait for a worker before its message is taken to be lost; twice as long after each loss, so that
a queue that is only long is left in peace."""

EMPTY_PATIENCE = timedelta(seconds=8)
"""The same where the queue is seen to be empty: the message is not in it, and whoever took it has had time to begin."""

CROSS_VERIFY_PATIENCE = timedelta(hours=1)
"""How long a cross-verification may stay owed before its absence is an alarm."""

_FORGET_PULSES = timedelta(days=7)
_RECENT = 300
_TOLD_WITHIN = timedelta(hours=6)

Item = TypeVar("Item")


def reconcile(ctx: Context, pipelines: Mapping[str, Pipeline]) -> str:
    """Look once. Old messages are never moved: what is owed goes out as a new attempt, which makes them stale.

    A region looks after its own work, and after that of regions which cannot and for which it stands in first. One
    thing that cannot be put right keeps nothing else from it: the first such error is raised at the end.
    """
    store = ctx.store
    regions = look_at(ctx)
    kept = frozenset(region for region in regions.order if regions.executor(region) == ctx.region)
    open_runs = store.runs.open()
    standing = frozenset(alarm.key for alarm in store.notices.alarms(standing=True))
    errors: list[Exception] = []

    def each(items: Iterable[Item], work: Callable[[Item], bool]) -> int:
        return _each(items, work, errors)

    each([standing], lambda keys: _tell_silence(ctx, regions, keys))
    each(store.owed.due(CROSS_VERIFY), lambda row: _check_age(ctx, row))
    # What it has begun is its own to finish, also where it takes nothing new and nobody stands in for it.
    mine = [run for run in open_runs if run.lane_region in kept or (run.lane_region == ctx.region and not run.is_new)]
    each(mine, lambda run: _look_after(ctx, regions, pipelines, run))
    forsaken = [
        run
        for run in store.runs.forsaken(regions.now - slots.LOOK_BACK)
        if run.lane_region in kept or (run.lane_region == ctx.region and run.started is not None)
    ]
    revived = each(forsaken, lambda run: _revive(ctx, regions, pipelines, run))
    view = slots.look(ctx, regions, pipelines.values(), kept, open_runs)
    fired = each(view.regions, lambda pair: slots.fire(ctx, regions, view, *pair))
    asked = [row for row in store.owed.due(REQUEST) if row.region in kept]
    sent = each(asked, lambda row: pursue(ctx, regions, pipelines, row))
    unverified = [row for row in store.owed.due(CROSS_VERIFY) if row.region in kept]
    sent += each(unverified, lambda row: _pass_on(ctx, regions, row))
    each(pipelines.values(), lambda pipeline: slots.check_day(ctx, regions, view, pipeline))
    recent = [
        run for run in store.runs.ended(regions.now - _TOLD_WITHIN, _RECENT) if {run.region, run.lane_region} & kept
    ]
    each(recent, lambda run: _tell_again(ctx, run, standing))
    store.pulses.prune(regions.now - _FORGET_PULSES)
    sweep(ctx)
    if errors:
        raise errors[0]
    return f"{revived} runs revived, {fired} slots fired, {sent} owed rows sent"


def _each(items: Iterable[Item], work: Callable[[Item], bool], errors: list[Exception]) -> int:
    """How many of ``items`` needed ``work``. StoreUnavailable is raised at once: nothing can be done without it."""
    count = 0
    for item in items:
        try:
            count += work(item)
        except StoreUnavailable:
            raise
        except Exception as error:
            log.exception("cannot put right %s", item)
            errors.append(error)
    return count


def take_over(ctx: Context, pipeline: Pipeline, run: Run) -> Run:
    """The next attempt of an open run of this region that nobody holds now, without waiting; else ``run`` itself.

    For whoever asks for the day by hand. A message that still waits in a queue becomes stale.
    """
    if (
        run.status.final
        or _free_epoch(ctx, run) is None
        or not ctx.store.runs.lose(run.run_id, ctx.holder, "asked for")
    ):
        return run
    return start(ctx, pipeline, run.day, run.trace_id, follows=run)


def _look_after(ctx: Context, regions: Regions, pipelines: Mapping[str, Pipeline], run: Run) -> bool:
    """An open run: one that waits for its time is sent when that has come, one that nobody works on is lost."""
    if run.not_before is not None:
        if run.not_before > regions.now or not ctx.store.runs.release(run.run_id):
            return False
        send_next(ctx, pipelines[run.pipeline], run)
        return True
    why = _abandoned(ctx, regions, run)
    if why is None or not ctx.store.runs.lose(run.run_id, ctx.holder, why):
        return False
    log.warning("%s: %s", run.run_id, why)
    return True


def _abandoned(ctx: Context, regions: Regions, seen: Run) -> str | None:
    """Why nobody works on a run; None while somebody may.

    It is read between two looks at its claim: it may have gone on meanwhile.
    """
    epoch = _free_epoch(ctx, seen)
    if epoch is None:
        return None
    run = ctx.store.runs.get(seen.run_id)
    if run.status.final:
        return None
    if any(stage.status is StageStatus.RUNNING for stage in run.stages):
        why = "its worker gave no sign of life"
    else:
        why = _unclaimed(ctx, regions, run) or ""
    return why if why and _free_epoch(ctx, run) == epoch else None


def _unclaimed(ctx: Context, regions: Regions, run: Run) -> str | None:
    """Why nobody will take a run that waits in a queue; None while somebody may."""
    lane = run.lane_region
    waited = regions.now - max([run.queued_at, *(stage.ended for stage in run.stages if stage.ended)])
    if waited <= EMPTY_PATIENCE:
        return None
    if not regions.consuming(lane):
        return f"{lane} is silent"
    if lane in regions.drained and run.is_new:
        return f"{lane} takes nothing new"
    losses = lost_in_a_row(row for row in runs_of(ctx, run.pipeline, run.day, run.region) if row.attempt < run.attempt)
    if waited > QUEUE_PATIENCE * 2**losses:
        return "its message was not taken"
    if waited > EMPTY_PATIENCE * 2**losses and ctx.dispatcher.depth(lane, JOBS) == 0:
        return "its message is not in the queue"
    return None


def _free_epoch(ctx: Context, run: Run) -> int | None:
    """The epoch of a run's claim that nobody holds now (0: nobody ever did); None while somebody does."""
    lease = ctx.store.leases.get(claim_name(run))
    if lease is None:
        return 0
    return lease.epoch if lease.expires <= ctx.store.now() else None


def _revive(ctx: Context, regions: Regions, pipelines: Mapping[str, Pipeline], run: Run) -> bool:
    """The next attempt: by the region's own workers where they can, else by its stand-in's."""
    executor = regions.executor(run.region)
    if executor is None and run.lane_region == ctx.region and run.started is not None:
        executor = ctx.region
    if run.pipeline not in pipelines or executor is None:
        return False
    return restart(ctx, pipelines[run.pipeline], run, lane=executor) is not None


def _pass_on(ctx: Context, regions: Regions, row: Owed) -> bool:
    """An owed cross-verification goes to its region again, or to another one that can and has not won the day."""
    key, name, result = row.key, row.region, _result_of(ctx, row)
    if not regions.able(name):
        winner = result.region if result is not None else None
        others = (n for n in regions.stand_ins[name].regions if regions.able(n) and n != winner)
        if (other := next(others, None)) is None:
            return False
        ctx.store.owed.pass_on(CROSS_VERIFY, key, other, f"{name} cannot; passed on to {other}")
        name = other
    send_owed(ctx, CROSS_VERIFY, key, name, trace_of(ctx.store, result) or new_trace_id())
    return True


def _check_age(ctx: Context, row: Owed) -> bool:
    """Raise an alarm for a cross-verification that is absent, whichever region owes it: that one may be dead."""
    if ctx.store.now() - row.created <= CROSS_VERIFY_PATIENCE:
        return False
    return ctx.store.notices.raise_alarm(
        overdue_key(row.key),
        "cross_verify_overdue",
        AlarmSeverity.TICKET,
        f"{row.key}: {row.region} has not cross-verified it since {row.created:%Y-%m-%d %H:%M} UTC; "
        f"does a worker run for {row.region}?",
        facts={"region": row.region},
        trace_id=trace_of(ctx.store, _result_of(ctx, row)),
    )


def _result_of(ctx: Context, row: Owed) -> Result | None:
    """The result that an owed cross-verification is of."""
    pipeline, day, revision = str(row.payload["pipeline"]), str(row.payload["day"]), int(row.payload["revision"])
    return ctx.store.runs.result(pipeline, date.fromisoformat(day), revision)


def _tell_silence(ctx: Context, regions: Regions, standing: frozenset[str]) -> bool:
    """An alarm for each region that has worked and gives no sign of life; it is over when the region is back."""
    changed = False
    for region in regions.order:
        key = f"silent/{region}"
        silent = regions.known(region) and not regions.alive(region) and region not in regions.drained
        if silent and key not in standing:
            stand_in = regions.executor(region)
            changed |= ctx.store.notices.raise_alarm(
                key,
                "region_silent",
                AlarmSeverity.TICKET,
                f"{region} has given no sign of life since {regions.seen[region]:%Y-%m-%d %H:%M:%S} UTC; "
                + (f"{stand_in} stands in for it" if stand_in else "no other region can stand in for it"),
                facts={"region": region},
            )
        elif key in standing and (regions.alive(region) or region in regions.drained):
            changed |= ctx.store.notices.resolve(key, ctx.holder)
    return changed


def _tell_again(ctx: Context, run: Run, standing: Collection[str]) -> bool:
    """What a worker that died behind a run's end had yet to say or to close. Doing it again is harmless."""
    if run.status is RunStatus.FAILED:
        newest = runs_of(ctx, run.pipeline, run.day, run.region)[0]
        if newest.run_id != run.run_id or tickets.has_told(ctx, run):
            return False
        tickets.give_up(ctx, run, tickets.failed_stage(run))
        return True
    if run.status is RunStatus.SUPERSEDED:
        check_digest(ctx, run)
    if standing:
        tickets.close(ctx, run)
    return False
