"""`lumen daily`: one day's pipeline in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.follow import Stages
from lumen_workers.cli.output import Json, Region, echo_json, progress
from lumen_workers.cli.runs import row, tell


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
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.engine.flow import start
    from lumen_workers.engine.reconcile import take_over
    from lumen_workers.engine.seals import parse_day
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

    with opened.context(region) as (ctx, drain):
        wanted, trace_id = parse_day(day, ctx.store.now(), ctx.zone), new_trace_id()
        run = start(ctx, DAILY_PIPELINE, wanted, trace_id)
        if run.trace_id != trace_id:
            # A run of that revision stands. An open one that nobody works on was broken off: its next attempt is ours.
            run = take_over(ctx, DAILY_PIPELINE, run)
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
        raise CheckFailed(f"{run.run_id} is {run.status}: another process works on it; `lumen runs list` shows it")
