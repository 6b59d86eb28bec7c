"""`lumen daily`, `lumen enqueue`, `lumen schedule`, `lumen runs`, `lumen letters`: the day's work."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, progress, table

if TYPE_CHECKING:
    from lumen_workers.domain.ports import Store
    from lumen_workers.domain.runs import Run

app = typer.Typer(help="Runs of the daily pipeline.", no_args_is_help=True)
letters = typer.Typer(help="Messages that were refused.", no_args_is_help=True)

Region = Annotated[str | None, typer.Option("--region", "-r", help="The region; the first one, unless given.")]


def register(root: typer.Typer) -> None:
    """Add the commands that have no group."""
    root.command()(daily)
    root.command()(enqueue)
    root.command()(schedule)


def daily(
    day: Annotated[str, typer.Option("--day", help="today, yesterday or YYYY-MM-DD.")] = "yesterday",
    region: Region = None,
    as_json: Json = False,
) -> None:
    """Build, freeze, sign and verify one day here, in this process."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.domain.runs import RunStatus
    from lumen_workers.pipelines.tasks import task_of

    with opened.context(region) as (ctx, drain):
        run_id = task_of("daily").run(ctx, {"day": day, "trace_id": new_trace_id()})
        if not as_json:
            progress(f"{run_id}: started")
        drain()
        run = ctx.store.runs.get(run_id)
        if as_json:
            echo_json(row(run))
        else:
            _tell(run)
    if run.status not in (RunStatus.DONE, RunStatus.SUPERSEDED):
        raise CheckFailed(f"{run.run_id} is {run.status}: {run.error or 'another process works on it'}")


def enqueue(
    name: Annotated[str, typer.Argument(help="daily, effects, reconcile, sample …")],
    region: Region = None,
    day: Annotated[str | None, typer.Option("--day", help="For pipelines: today, yesterday or YYYY-MM-DD.")] = None,
    args: Annotated[str, typer.Option("--args", help="Further arguments as a JSON object.")] = "{}",
    wait: Annotated[bool, typer.Option("--wait", help="Stay, and show each stage as it ends.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="With --wait: seconds at most.")] = 300,
    as_json: Json = False,
) -> None:
    """Queue a task for a region's workers."""
    from lumen_workers import config
    from lumen_workers.adapters.queue.celery import CeleryDispatcher
    from lumen_workers.domain.errors import DependencyError
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.pipelines.tasks import task_of

    settings = config.load()
    target = settings.check_region(region or settings.region)
    task = task_of(name)
    payload = _arguments(args)
    if day is not None:
        payload["day"] = day
    trace_id = payload.setdefault("trace_id", new_trace_id())
    task.parse(payload)
    _check_day(day)
    if settings.broker_url is None:
        raise DependencyError("no broker: start one with `lumen run`, or set LUMEN_BROKER_URL")
    from lumen_workers.worker.app import app as celery

    with opened.store() as (_, store):
        asked = store.now()
        payload.pop("trace_id")
        CeleryDispatcher(celery).send(task.name, region=target, lane=task.lane, payload=payload, trace_id=trace_id)
        if not wait:
            message = {"task": task.name, "queue": f"{target}.{task.lane}", "trace_id": trace_id}
            echo_json(message) if as_json else typer.echo(f"queued {task.name} on {message['queue']}, trace {trace_id}")
            return
        if day is not None or name == "daily":
            _follow_run(store, trace_id, timeout, as_json)
        else:
            _follow_tick(store, name, target, asked, timeout, as_json)


def schedule(as_json: Json = False) -> None:
    """The schedule of beat_schedule.py, checked, with what ran last."""
    from lumen_workers import schedule as source
    from lumen_workers.domain.clock import from_us, iso

    with opened.store() as (settings, store):
        states = {(state.entry, state.region): state for state in store.ticks.states()}
        rows = [
            {
                "entry": entry.name,
                "runs": entry.run,
                "when": entry.cadence,
                "region": region,
                "last_slot": iso(from_us(state.slot)) if state else None,
                "outcome": state.outcome if state else None,
            }
            for entry in source.entries(settings).values()
            for region in entry.regions
            for state in (states.get((entry.name, region)),)
        ]
    if as_json:
        echo_json(rows)
        return
    table(("entry", "runs", "when", "region", "last slot", "outcome"), (tuple(r.values()) for r in rows), "Empty.")


@app.command("list")
def list_(
    day: Annotated[str | None, typer.Option("--day", help="Only this day (YYYY-MM-DD).")] = None,
    as_json: Json = False,
) -> None:
    """Every run, newest first."""
    with opened.store() as (_, store):
        runs = store.runs.rows(day=_date(day) if day else None)
        owed = {row.key: row for row in store.owed.rows("cross_verify")}
    if as_json:
        echo_json([row(run) for run in runs])
        return
    table(
        ("run", "day", "rev", "region", "status", "stages", "digest", "winner", "cross-verified by", "trace"),
        (
            (
                r.run_id,
                r.day,
                r.revision,
                r.region,
                r.status,
                ", ".join(f"{s.name} {s.seconds:.1f} s" if s.seconds is not None else f"{s.name} …" for s in r.stages),
                (r.digest or "")[:12],
                r.winner,
                _checker(owed, r),
                r.trace_id[:8],
            )
            for r in runs
        ),
        "No runs yet; `lumen daily --day today` makes one.",
    )


@app.command()
def show(run_id: str, as_json: Json = False) -> None:
    """One run: its stages, its digest, and how it ended."""
    with opened.store() as (_, store):
        run = store.runs.get(run_id)
    if as_json:
        echo_json(row(run))
        return
    _tell(run)


@letters.command("list")
def list_letters(as_json: Json = False) -> None:
    """Messages that were refused, oldest first."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        found = store.notices.letters()
    if as_json:
        echo_json(
            [
                {
                    "letter_id": x.letter_id,
                    "ts": iso(x.ts),
                    "task": x.task,
                    "region": x.region,
                    "reason": x.reason,
                    "payload": x.payload,
                    "trace_id": x.trace_id,
                }
                for x in found
            ]
        )
        return
    table(("when", "task", "region", "reason"), ((x.ts, x.task, x.region, x.reason) for x in found), "None.")


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
                "name": s.name,
                "status": s.status.value,
                "seconds": s.seconds,
                "error_class": s.error_class,
                "error": s.error,
                "outputs": dict(s.outputs),
            }
            for s in run.stages
        ],
    }


def _tell(run: Run) -> None:
    typer.echo(f"{run.run_id}  {run.day} revision {run.revision}  {run.status}{' (winner)' if run.winner else ''}")
    typer.echo(
        f"  region {run.region}, done by {run.executed_by or 'nobody yet'}, attempt {run.attempt}, trace {run.trace_id}"
    )
    table(
        ("stage", "status", "seconds", "error"),
        ((s.name, s.status, s.seconds, s.error) for s in run.stages),
        "  no stage has begun",
    )
    if run.digest:
        typer.echo(f"  digest {run.digest}")
    if run.error:
        typer.echo(f"  {run.error_class}: {run.error}")


def _checker(owed: dict[str, Any], run: Run) -> str | None:
    found = owed.get(f"{run.pipeline}/{run.day}/r{run.revision}")
    return None if found is None or not run.winner else (found.done_by or f"{found.region} ({found.state})")


def _arguments(text: str) -> dict[str, Any]:
    from lumen_workers.domain.errors import UsageError

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f'--args {text!r} is not a JSON object such as \'{{"day": "today"}}\'')
    return value


def _check_day(day: str | None) -> None:
    if day not in (None, "today", "yesterday"):
        _date(str(day))


def _date(text: str) -> Any:
    from datetime import date

    from lumen_workers.domain.errors import UsageError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"day {text!r}: use today, yesterday or YYYY-MM-DD") from None


def _follow_run(store: Store, trace_id: str, timeout: float, as_json: bool) -> None:
    """Show each stage as it ends. Raises CheckFailed when the run does not end well in time."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.domain.runs import RunStatus

    shown: set[tuple[str, str]] = set()
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        runs = [run for run in store.runs.rows(limit=50) if run.trace_id == trace_id]
        for run in reversed(runs):
            for stage in run.stages:
                key = (run.run_id, f"{stage.name} {stage.status}")
                if key not in shown and not as_json:
                    progress(
                        f"{run.run_id}  {stage.name:<7} {stage.status}"
                        + (f" in {stage.seconds:.2f} s" if stage.seconds is not None else "")
                    )
                shown.add(key)
        if runs and runs[0].status.final and runs[0].status is not RunStatus.LOST:
            echo_json(row(runs[0])) if as_json else _tell(runs[0])
            if runs[0].status is RunStatus.FAILED:
                raise CheckFailed(f"{runs[0].run_id} failed: {runs[0].error}")
            return
        if refused := [x for x in store.notices.letters() if x.trace_id == trace_id]:
            raise CheckFailed(f"refused: {refused[-1].reason}")
        time.sleep(0.2)
    raise CheckFailed(f"not done after {timeout:g} s; is a worker running? `lumen status` tells, trace {trace_id}")


def _follow_tick(store: Store, name: str, region: str, asked: Any, timeout: float, as_json: bool) -> None:
    from lumen_workers.domain.errors import CheckFailed

    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        for state in store.ticks.states():
            if (state.entry, state.region) == (name, region) and state.ended is not None and state.ended >= asked:
                echo_json({"entry": name, "outcome": state.outcome}) if as_json else typer.echo(
                    f"{name}: {state.outcome}"
                )
                return
        time.sleep(0.2)
    raise CheckFailed(f"{name} did not end within {timeout:g} s; `lumen schedule` shows what ran last")
