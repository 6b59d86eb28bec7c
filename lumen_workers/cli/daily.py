"""`lumen daily`: one day's pipeline in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.follow import Stages
from lumen_workers.cli.output import Json, Region, echo_json, progress
from lumen_workers.cli.runs import row, tell

if TYPE_CHECKING:
    from datetime import date

    from lumen_workers.domain.runs import Run
    from lumen_workers.engine.context import Context

_LOOK_S = 0.5


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(daily)


def daily(
    day: Annotated[str, typer.Option("--day", "-d", help="today, yesterday or YYYY-MM-DD.")] = "yesterday",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Build, freeze, sign and verify one day here, in this process; shows each stage as it ends."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.engine.seals import parse_day

    with opened.context(region) as (ctx, drain):
        wanted = parse_day(day, ctx.store.now(), ctx.zone)
        run = _begin(ctx, wanted)
        stages = Stages(ctx.store, wanted, run.trace_id)
        try:
            if run.status.final:
                progress(f"{run.run_id}  {run.status} already, nothing new to build")
            else:
                drain(stages.tell)
        finally:
            run = run if run.status.final else stages.tell() or run
            echo_json(row(run)) if as_json else tell(run)
    if not run.status.final:
        raise CheckFailed(f"{run.run_id} is {run.status}: another process took it over; `lumen runs list` shows it")


def _begin(ctx: Context, day: date) -> Run:
    """The run to do: a new one, or the next attempt of one that was broken off. A final one: there is nothing to do.

    While another process works on the day, this waits for what comes of it.
    """
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.domain.runs import RunStatus
    from lumen_workers.engine.flow import start
    from lumen_workers.engine.reconcile import take_over
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

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
