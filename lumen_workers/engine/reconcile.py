"""Puts back what is owed and nobody does: lost claims, lost messages, slots that no beat fired, owed rows, alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby, islice, takewhile
from typing import TypeVar

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.runs import Owed, Run, RunStatus, StageStatus
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline
from lumen_workers.engine.execute import sweep
from lumen_workers.engine.flow import (
    CROSS_VERIFY,
    alarm_failed,
    check_digest,
    claim_name,
    failure_key,
    lost_in_a_row,
    restart,
    send_owed,
    start,
)
from lumen_workers.engine.seals import parse_day
from lumen_workers.engine.ticks import entry_of, has_run

log = logging.getLogger(__name__)

QUEUE_PATIENCE = timedelta(seconds=60)
"""How long a stage may wait for a worker before its message is taken to be lost; twice as long after each loss, so that
a queue that is only long is left in peace."""

SLOT_PATIENCE = timedelta(seconds=60)
"""How long after its instant a slot is left to the beat."""

LOOK_BACK = timedelta(days=7)
"""How far back a slot that nobody fired is made up for, after all of the region was off."""

CROSS_VERIFY_PATIENCE = timedelta(hours=1)
"""How long a cross-verification may stay owed before its absence is an alarm."""

_RECENT = 100
_SLOTS = 50

Item = TypeVar("Item")


def reconcile(ctx: Context, pipelines: Mapping[str, Pipeline]) -> str:
    """Look once. Old messages are never moved: what is owed goes out as a new attempt, which makes them stale.

    One thing that cannot be put right keeps nothing else from it: the first such error is raised at the end.
    """
    errors: list[Exception] = []
    _each(ctx.store.owed.due(CROSS_VERIFY), lambda row: _check_age(ctx, row), errors)
    _each(ctx.store.runs.open(), lambda run: _lose(ctx, run), errors)
    recent = ctx.store.runs.rows(limit=_RECENT)
    revived = _each(_followerless(ctx, recent), lambda run: _revive(ctx, pipelines, run), errors)
    fired = _each(pipelines, lambda name: _fire(ctx, name, recent), errors)
    sent = _each(ctx.store.owed.due(CROSS_VERIFY, ctx.region), lambda row: _send(ctx, row), errors)
    _raise_alarms(ctx, recent)
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
        or not ctx.store.runs.lose(run.run_id, ctx.holder, "nobody works on it")
    ):
        return run
    return start(ctx, pipeline, run.day, run.trace_id)


def _lose(ctx: Context, run: Run) -> bool:
    if (
        run.region != ctx.region
        or not _abandoned(ctx, run)
        or not ctx.store.runs.lose(run.run_id, ctx.holder, "nobody works on it")
    ):
        return False
    log.warning("%s: nobody works on it", run.run_id)
    return True


def _abandoned(ctx: Context, seen: Run) -> bool:
    """Whether nobody works on a run. It is read between two looks at its claim: it may have gone on meanwhile."""
    epoch = _free_epoch(ctx, seen)
    if epoch is None:
        return False
    run = ctx.store.runs.get(seen.run_id)
    if run.status.final:
        return False
    if not any(stage.status is StageStatus.RUNNING for stage in run.stages):
        attempts = [row for row in ctx.store.runs.rows(pipeline=run.pipeline, day=run.day) if row.region == run.region]
        losses = lost_in_a_row(row for row in attempts if row.attempt < run.attempt)
        last = max([run.queued_at, *(stage.ended for stage in run.stages if stage.ended)])
        if ctx.store.now() - last <= QUEUE_PATIENCE * 2**losses:
            return False
    return _free_epoch(ctx, run) == epoch


def _free_epoch(ctx: Context, run: Run) -> int | None:
    """The epoch of a run's claim that nobody holds now (0: nobody ever did); None while somebody does."""
    lease = ctx.store.leases.get(claim_name(run))
    if lease is None:
        return 0
    return lease.epoch if lease.expires <= ctx.store.now() else None


def _followerless(ctx: Context, recent: Sequence[Run]) -> list[Run]:
    """This region's lost runs that no later attempt follows, oldest first."""
    mine = sorted((run for run in recent if run.region == ctx.region), key=lambda r: (r.pipeline, r.day, r.attempt))
    newest = [list(runs)[-1] for _, runs in groupby(mine, key=lambda run: (run.pipeline, run.day))]
    return [run for run in newest if run.status is RunStatus.LOST]


def _revive(ctx: Context, pipelines: Mapping[str, Pipeline], run: Run) -> bool:
    return run.pipeline in pipelines and restart(ctx, pipelines[run.pipeline], run) is not None


def _fire(ctx: Context, pipeline: str, recent: Sequence[Run]) -> bool:
    """Send the oldest slot that has passed without having run; one before this region's time is not owed.

    One at a time, so that each day finds the digest of the one before it.
    """
    entry = entry_of(ctx, pipeline)
    if entry is None or entry.cron is None:
        return False
    since = ctx.store.ticks.since(entry.name, ctx.region)
    now = ctx.store.now()
    mine = [run for run in recent if (run.region, run.pipeline) == (ctx.region, pipeline)]
    if any(not run.status.final for run in mine):
        return False
    oldest = max(since, now - LOOK_BACK)
    owed = takewhile(lambda due: due >= oldest, islice(entry.back(now - SLOT_PATIENCE), _SLOTS))
    for due in reversed(list(owed)):
        day = parse_day("yesterday", due, ctx.zone)
        if due == entry.due_before(now):
            if has_run(ctx, entry, entry.slot(now)):
                continue
            payload = {}
        elif _has_closed(ctx, pipeline, day):
            continue
        else:
            payload = {"day": day.isoformat()}
        ctx.dispatcher.send(
            f"lumen.{pipeline}", region=ctx.region, lane="jobs", payload=payload, trace_id=new_trace_id()
        )
        return True
    return False


def _has_closed(ctx: Context, pipeline: str, day: date) -> bool:
    """Whether this region has a run of the day as it was after its end; provisional ones do not count."""
    whole = {seal.revision for seal in ctx.store.runs.seals(pipeline, day) if not seal.provisional}
    runs = ctx.store.runs.rows(pipeline=pipeline, day=day) if whole else []
    return any(run.region == ctx.region and run.revision in whole for run in runs)


def _check_age(ctx: Context, row: Owed) -> bool:
    """Raise an alarm for a cross-verification that is absent, whichever region owes it: that one may be dead."""
    if ctx.store.now() - row.created <= CROSS_VERIFY_PATIENCE:
        return False
    return ctx.store.notices.raise_alarm(
        f"{row.kind}/overdue/{row.key}",
        "cross_verify_overdue",
        AlarmSeverity.TICKET,
        f"{row.key}: {row.region} has not cross-verified it since {row.created:%Y-%m-%d %H:%M} UTC; "
        f"does a worker run for {row.region}?",
    )


def _send(ctx: Context, row: Owed) -> bool:
    send_owed(ctx, row.kind, row.key, ctx.region, new_trace_id())
    return True


def _raise_alarms(ctx: Context, recent: Sequence[Run]) -> None:
    """What a worker that died behind a run's end had yet to say. Alarms stand once, so saying it again is harmless."""
    known = {alarm.key for alarm in ctx.store.notices.alarms()}
    for run in recent:
        if run.status is RunStatus.FAILED and failure_key(run) not in known:
            alarm_failed(ctx, run)
        elif run.status is RunStatus.SUPERSEDED:
            check_digest(ctx, run)
