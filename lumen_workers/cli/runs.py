"""`lumen runs`: what the pipelines did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.domain.regions import AuditEntry
    from lumen_workers.domain.runs import Owed, Run

app = typer.Typer(help="Runs of the daily pipeline.", no_args_is_help=True)


@app.command("list")
def list_(
    day: Annotated[str | None, typer.Option("--day", "-d", help="Only today, yesterday or YYYY-MM-DD.")] = None,
    region: Annotated[str | None, typer.Option("--region", "-r", help="Only this region's.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 200,
    as_json: Json = False,
) -> None:
    """Runs, newest first."""
    from lumen_workers.engine.flow import CROSS_VERIFY
    from lumen_workers.engine.seals import parse_day

    with opened.store() as (settings, store):
        wanted = None if day is None else parse_day(day, store.now(), settings.zone)
        known = None if region is None else settings.check_region(region)
        runs = store.runs.rows(day=wanted, region=known, limit=limit)
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
    """One run: its stages, how it ended, and the story of all attempts of its trace."""
    from lumen_workers.engine.flow import CROSS_VERIFY

    with opened.store() as (_, store):
        run = store.runs.get(run_id)
        owed = {row.key: row for row in store.owed.rows(CROSS_VERIFY)}
        lines = store.audit.rows(trace_id=run.trace_id)
    if as_json:
        echo_json(row(run) | {"timeline": [_line(entry) for entry in lines]})
        return
    tell(run, _checker(owed, run))
    typer.echo("")
    table(
        ("when", "what", "of", "by", "detail"),
        ((e.ts, e.event, e.subject, e.actor, _told(e)) for e in lines),
        "The audit log has nothing of this trace.",
    )


@app.command()
def rerun(run_id: str, as_json: Json = False) -> None:
    """Ask the run's region for its day again: a failed or lost run gets a new attempt."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.domain.runs import RunStatus
    from lumen_workers.engine.requests import ask

    with opened.sender() as (_, store, dispatcher):
        run = store.runs.get(run_id)
        if run.status not in (RunStatus.FAILED, RunStatus.LOST):
            raise UsageError(f"{run_id} is {run.status}; only a failed or lost run is asked for again")
        trace_id = new_trace_id()
        ask(store, dispatcher, run.pipeline, run.day, region=run.region, trace_id=trace_id)
    asked = {"pipeline": run.pipeline, "day": run.day.isoformat(), "region": run.region, "trace_id": trace_id}
    if as_json:
        echo_json(asked)
    else:
        typer.echo(f"asked {run.region} for {run.pipeline} of {run.day} again, trace {trace_id}")


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
        "assigned": run.lane_region,
        "cause": run.cause.value,
        "follows": run.follows,
        "not_before": iso(run.not_before) if run.not_before else None,
        "error_class": run.error_class,
        "error_rule": run.error_rule,
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
                "error_rule": stage.error_rule,
                "error": stage.error,
                "carried_from": stage.carried_from,
                "outputs": dict(stage.outputs),
            }
            for stage in run.stages
        ],
    }


def tell(run: Run, checker: str | None = None) -> None:
    """A run for people; ``checker`` is who re-verified the day."""
    typer.echo(f"{run.run_id}: {run.status}{', the winner' if run.winner else ''}")
    follows = f" ({run.cause.value}, after {run.follows})" if run.follows else ""
    typer.echo(f"  {run.pipeline} of {run.day}, revision {run.revision}, attempt {run.attempt}{follows}")
    typer.echo(f"  region {run.region}, done by {run.executed_by or 'nobody yet'}, trace {run.trace_id}")
    if run.digest:
        typer.echo(f"  digest {run.digest}")
    if checker:
        typer.echo(f"  cross-verified by {checker}")
    if run.error:
        typer.echo(f"  {run.error_class} (by {run.error_rule}): {run.error}")
    table(
        ("  stage", "status", "seconds", "error"),
        (
            (f"  {s.name}", f"by {s.carried_from}" if s.carried_from else s.status, s.seconds, s.error)
            for s in run.stages
        ),
        "  no stage has begun",
    )


def _line(entry: AuditEntry) -> dict[str, Any]:
    from lumen_workers.domain.clock import iso

    return {
        "ts_utc": iso(entry.ts),
        "actor": entry.actor,
        "pipeline": entry.pipeline,
        "region": entry.region,
        "event": entry.event,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }


def _told(entry: AuditEntry) -> str:
    """An audit line's detail for people."""
    return ", ".join(f"{name} {value}" for name, value in entry.detail.items() if value not in (None, [], ""))


def _checker(owed: dict[str, Owed], run: Run) -> str | None:
    """Who re-verified the day that this run has won, or who is still to do it."""
    from lumen_workers.engine.flow import owed_key

    found = owed.get(owed_key(run.pipeline, run.day, run.revision))
    if found is None or not run.winner:
        return None
    return found.done_by if found.state == "done" else f"{found.region} ({found.state})"
