"""`lumen runs`: what the pipelines did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.domain.runs import Owed, Run

app = typer.Typer(help="Runs of the daily pipeline.", no_args_is_help=True)


@app.command("list")
def list_(
    day: Annotated[str | None, typer.Option("--day", "-d", help="Only today, yesterday or YYYY-MM-DD.")] = None,
    as_json: Json = False,
) -> None:
    """Every run, newest first."""
    from lumen_workers.engine.flow import CROSS_VERIFY
    from lumen_workers.engine.seals import parse_day

    with opened.store() as (settings, store):
        runs = store.runs.rows(day=None if day is None else parse_day(day, store.now(), settings.zone))
        owed = {row.key: row for row in store.owed.rows(CROSS_VERIFY)}
    if as_json:
        echo_json([row(run) for run in runs])
        return
    table(
        ("run", "day", "rev", "status", "winner", "stages (s)", "digest", "cross-verified by", "trace"),
        (
            (
                run.run_id,
                run.day,
                run.revision,
                run.status,
                "winner" if run.winner else "",
                ", ".join(f"{s.name} {s.seconds:.2f}" if s.seconds is not None else f"{s.name} …" for s in run.stages),
                (run.digest or "")[:12],
                _checker(owed, run),
                run.trace_id[:8],
            )
            for run in runs
        ),
        "No runs yet; `lumen daily --day today` makes one.",
    )


@app.command()
def show(run_id: str, as_json: Json = False) -> None:
    """One run: its stages, its digest, and how it ended."""
    from lumen_workers.engine.flow import CROSS_VERIFY

    with opened.store() as (_, store):
        run = store.runs.get(run_id)
        owed = {row.key: row for row in store.owed.rows(CROSS_VERIFY)}
    if as_json:
        echo_json(row(run))
        return
    tell(run, _checker(owed, run))


def row(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    from lumen_workers.domain.clock import iso

    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "day": run.day.isoformat(),
        "revision": run.revision,
        "region": run.region,
        "executed_by": run.executed_by,
        "attempt": run.attempt,
        "status": run.status.value,
        "error_class": run.error_class,
        "error": run.error,
        "digest": run.digest,
        "winner": run.winner,
        "started": iso(run.started) if run.started else None,
        "ended": iso(run.ended) if run.ended else None,
        "trace_id": run.trace_id,
        "stages": [
            {
                "name": stage.name,
                "status": stage.status.value,
                "started": iso(stage.started),
                "ended": iso(stage.ended) if stage.ended else None,
                "seconds": stage.seconds,
                "error_class": stage.error_class,
                "error": stage.error,
                "outputs": dict(stage.outputs),
            }
            for stage in run.stages
        ],
    }


def tell(run: Run, checker: str | None = None) -> None:
    """A run for people; ``checker`` is who re-verified the day."""
    typer.echo(f"{run.run_id}: {run.status}{', the winner' if run.winner else ''}")
    typer.echo(f"  {run.pipeline} of {run.day}, revision {run.revision}, attempt {run.attempt}")
    typer.echo(f"  region {run.region}, done by {run.executed_by or 'nobody yet'}, trace {run.trace_id}")
    if run.digest:
        typer.echo(f"  digest {run.digest}")
    if checker:
        typer.echo(f"  cross-verified by {checker}")
    if run.error:
        typer.echo(f"  {run.error_class}: {run.error}")
    table(
        ("  stage", "status", "seconds", "error"),
        ((f"  {stage.name}", stage.status, stage.seconds, stage.error) for stage in run.stages),
        "  no stage has begun",
    )


def _checker(owed: dict[str, Owed], run: Run) -> str | None:
    """Who re-verified the day that this run has won, or who is still to do it."""
    from lumen_workers.engine.flow import owed_key

    found = owed.get(owed_key(run.pipeline, run.day, run.revision))
    if found is None or not run.winner:
        return None
    return found.done_by if found.state == "done" else f"{found.region} ({found.state})"
