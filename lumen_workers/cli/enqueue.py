"""`lumen enqueue`: asks a region's workers for a task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.follow import follow_run, follow_tick
from lumen_workers.cli.output import Json, Region, echo_json
from lumen_workers.cli.runs import row, tell

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.domain.ports import Dispatcher, Store
    from lumen_workers.pipelines.tasks import Task


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(enqueue)


def enqueue(
    name: Annotated[str, typer.Argument(help="daily, effects, reconcile, sample …")],
    region: Region = None,
    day: Annotated[
        str | None,
        typer.Option("--day", "-d", help="Of a pipeline: today, yesterday (unless given) or YYYY-MM-DD."),
    ] = None,
    args: Annotated[str, typer.Option("--args", help="Further arguments as a JSON object.")] = "{}",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay, and show each stage as it ends.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="With --wait: seconds at most.")] = 300,
    as_json: Json = False,
) -> None:
    """Queue a task for a region's workers. What is wrong with it is said here, before it is queued."""
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.pipelines.tasks import task_of

    task = task_of(name)
    payload = _arguments(args)
    if day is not None:
        payload["day"] = day
    with opened.store() as (settings, store):
        target = settings.check_region(region or settings.region)
        _resolve_day(task, payload, settings, store)
        trace_id = payload.pop("trace_id", None) or new_trace_id()
        task.parse({**payload, "trace_id": trace_id})
        entry = _entry(name, target, settings) if wait and "day" not in payload else None
        asked = store.now()
        with opened.sender() as (_, _, dispatcher):
            _send(store, dispatcher, task, payload, region=target, trace_id=trace_id)
        if not wait:
            queue = f"{target}.{task.lane}"
            queued = {"task": task.name, "queue": queue, "trace_id": trace_id}
            echo_json(queued) if as_json else typer.echo(f"queued {task.name} on {queue}, trace {trace_id}")
        elif entry is None:
            _follow_day(store, payload["day"], target, trace_id, timeout, as_json)
        else:
            state = follow_tick(store, entry, target, asked, timeout)
            outcome = {"entry": entry, "region": target, "outcome": state.outcome}
            echo_json(outcome) if as_json else typer.echo(f"{entry}: {state.outcome}")


def _send(
    store: Store, dispatcher: Dispatcher, task: Task, payload: dict[str, Any], *, region: str, trace_id: str
) -> None:
    """A pipeline's day is written down as asked for; anything else is a message only: the next tick comes anyway."""
    from datetime import date

    from lumen_workers.engine.requests import ask
    from lumen_workers.pipelines.tasks import PIPELINES

    pipeline = next((p.name for p in PIPELINES if task.name == f"lumen.{p.name}"), None)
    if pipeline is not None and set(payload) == {"day"} and isinstance(payload["day"], str):
        ask(store, dispatcher, pipeline, date.fromisoformat(payload["day"]), region=region, trace_id=trace_id)
    else:
        dispatcher.send(task.name, region=region, lane=task.lane, payload=payload, trace_id=trace_id)


def _arguments(text: str) -> dict[str, Any]:
    from lumen_workers.domain.errors import UsageError

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f'--args {text!r} is not a JSON object such as \'{{"day": "today"}}\'')
    return value


def _resolve_day(task: Task, payload: dict[str, Any], settings: Settings, store: Store) -> None:
    """Make a pipeline's day a date here and now: "today" must not change while the message waits."""
    from lumen_workers.engine.seals import parse_day

    if "day" in task.message.model_fields:
        wanted = payload.setdefault("day", "yesterday")
        if isinstance(wanted, str):
            payload["day"] = parse_day(wanted, store.now(), settings.zone).isoformat()


def _entry(name: str, region: str, settings: Settings) -> str:
    """The schedule's entry by which a tick notes its end. Raises UsageError where there is none to wait for."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.schedule import entries

    for entry in entries(settings).values():
        if entry.run == name and region in entry.regions:
            return entry.name
    raise UsageError(f"{name} cannot be waited for: beat_schedule.py has no entry that runs it in {region}")


def _follow_day(store: Store, day: str, region: str, trace_id: str, timeout: float, as_json: bool) -> None:
    from datetime import date

    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.domain.runs import RunStatus

    run = follow_run(store, date.fromisoformat(day), region, trace_id, timeout)
    echo_json(row(run)) if as_json else tell(run)
    if run.status is RunStatus.FAILED:
        raise CheckFailed(f"{run.run_id} failed ({run.error_class}): {run.error}")
