"""`lumen daily`: a day's pipeline in this process, or the missed days of a range."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.follow import Stages
from lumen_workers.cli.output import Json, Region, echo_json, progress, table
from lumen_workers.cli.runs import row, tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from lumen_workers.domain.runs import Run
    from lumen_workers.engine.context import Context

_LOOK_S = 0.5


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(daily)


def daily(
    day: Annotated[
        str | None, typer.Option("--day", "-d", help="today, yesterday (unless given) or YYYY-MM-DD.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="Backfill: the first day. Days that have a result are left alone.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Backfill: the last day; yesterday, unless given.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Backfill: so many days at most; 31, unless given.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="Backfill: begin no further day after so many minutes.")
    ] = None,
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Build, freeze, sign and verify one day here, in this process; or the missed days of a range, oldest first."""
    from lumen_workers.domain.errors import UsageError

    if first is None and (last is not None or minutes is not None or limit is not None):
        raise UsageError("--to, --limit and --minutes need --from, the first day to make up for")
    if first is not None and day is not None:
        raise UsageError("give --day or --from, not both")
    if first is None:
        _one(day or "yesterday", region, as_json)
    else:
        _range(first, last or "yesterday", limit or 31, minutes, region, as_json)


def _one(day: str, region: str | None, as_json: bool) -> None:
    from lumen_workers.engine.seals import parse_day

    with opened.context(region) as (ctx, drain):
        run = _begin(ctx, parse_day(day, ctx.store.now(), ctx.zone))
        try:
            run = _carry(ctx, drain, run)
        finally:
            run = ctx.store.runs.rows(pipeline=run.pipeline, day=run.day, trace_id=run.trace_id)[0]
            echo_json(row(run)) if as_json else tell(run)
    _require_end(run)


def _range(first: str, last: str, limit: int, minutes: float | None, region: str | None, as_json: bool) -> None:
    """Oldest first, since each day's manifest names the day before; what fails ends it."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.engine.seals import parse_day
    from lumen_workers.engine.slots import is_done
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

    done: list[Run] = []
    with opened.context(region) as (ctx, drain):
        now = ctx.store.now()
        start, end = (parse_day(text, now, ctx.zone) for text in (first, last))
        if start > end:
            raise UsageError(f"--from {start} is after --to {end}")
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        missed = [day for day in days if not is_done(ctx, DAILY_PIPELINE.name, day)]
        progress(f"{start} to {end}: {len(days) - len(missed)} of {len(days)} days have a result, {len(missed)} missed")
        ends = None if minutes is None else ctx.clock.monotonic() + minutes * 60
        try:
            for number, day in enumerate(missed[:limit], start=1):
                if ends is not None and ctx.clock.monotonic() >= ends:
                    progress(f"{minutes:g} minutes are over")
                    break
                progress(f"day {number} of {min(len(missed), limit)}: {day}")
                done.append(_carry(ctx, drain, _begin(ctx, day)))
                _require_end(done[-1])
        finally:
            if as_json:
                echo_json({"days": len(days), "missed": len(missed), "runs": [row(run) for run in done]})
            else:
                table(
                    ("day", "run", "status", "digest"),
                    ((run.day, run.run_id, run.status, (run.digest or "")[:12]) for run in done),
                    "No day was missed.",
                )
        if left := len(missed) - len(done):
            progress(f"{left} missed days are left; the same command goes on with them")


def _carry(ctx: Context, drain: Callable[[Callable[[], object]], None], run: Run) -> Run:
    """Do the run's messages here, and those of the reruns that follow a failure; returns the last attempt.

    Raises what the last attempt failed with.
    """
    from lumen_workers.engine.flow import send_next
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

    if run.status.final:
        progress(f"{run.run_id}  {run.status} already, nothing new to build")
        return run
    stages = Stages(ctx.store, run.day, run.trace_id)
    while True:
        try:
            drain(stages.tell)
        except Exception:
            run = stages.tell() or run
            if run.status.final or run.not_before is None:
                raise
        else:
            return stages.tell() or run
        wait = max(0.0, (run.not_before - ctx.store.now()).total_seconds())
        progress(f"{run.run_id}  tried again in {wait:.0f} s")
        ctx.clock.sleep(wait + 0.01)
        if ctx.store.runs.release(run.run_id):
            send_next(ctx, DAILY_PIPELINE, run)


def _require_end(run: Run) -> None:
    from lumen_workers.domain.errors import CheckFailed

    if not run.status.final:
        raise CheckFailed(f"{run.run_id} is {run.status}: another process took it over; `lumen runs list` shows it")


def _begin(ctx: Context, day: date) -> Run:
    """The run to do: a new one, or the next attempt of one that was broken off. A final one: there is nothing to do.

    While another process works on the day, this waits for what comes of it.
    """
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.domain.runs import RunStatus
    from lumen_workers.engine.flow import start
    from lumen_workers.engine.reconcile import take_over
    from lumen_workers.engine.regions import is_drained
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

    if is_drained(ctx, ctx.region):
        raise UsageError(
            f"{ctx.region} is drained; end that with `lumen resume {ctx.region}`, or choose another with --region"
        )
    trace_id = new_trace_id()
    others: Run | None = None
    while True:
        if others is not None:
            ctx.clock.sleep(_LOOK_S)
            now = ctx.store.runs.get(others.run_id)
            if now.status in (RunStatus.DONE, RunStatus.SUPERSEDED):
                return now
        run = start(ctx, DAILY_PIPELINE, day, trace_id)
        if run.trace_id == trace_id or run.status.final:
            return run
        mine = take_over(ctx, DAILY_PIPELINE, run)
        if mine.run_id != run.run_id:
            return mine
        if others is None:
            progress(f"{run.run_id}  another process works on it; waiting for it")
        others = run
