"""`lumen alert list|resolve|suppress|unsuppress`: what stands, and what people have said of it."""

from __future__ import annotations

from typing import Annotated

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table


def register(group: typer.Typer) -> None:
    """Add the commands to `lumen alert`."""
    group.command("list")(list_)
    for command in (resolve, suppress, unsuppress):
        group.command()(command)


def list_(
    all_: Annotated[bool, typer.Option("--all", "-a", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """Alarms, oldest first."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        found = store.notices.alarms(standing=not all_, limit=limit)
    if as_json:
        echo_json(
            [
                {
                    "key": alarm.key,
                    "kind": alarm.kind,
                    "severity": alarm.severity.value,
                    "since": iso(alarm.ts),
                    "detail": alarm.detail,
                    "facts": dict(alarm.facts),
                    "trace_id": alarm.trace_id,
                    "occurrence": alarm.occurrence,
                    "resolved_at": iso(alarm.resolved_at) if alarm.resolved_at else None,
                    "resolved_by": alarm.resolved_by,
                }
                for alarm in found
            ]
        )
        return
    table(
        ("alarm", "severity", "since", "over", "detail"),
        ((a.key, a.severity.value, a.ts, a.resolved_at, a.detail) for a in found),
        "No alarms.",
    )


def resolve(key: Annotated[str, typer.Argument(help="As `lumen alert list` shows it.")], as_json: Json = False) -> None:
    """It has been seen to. Should it come up again, it is told again."""
    from lumen_workers.domain.errors import NotFound

    with opened.store() as (settings, store):
        if not store.notices.resolve(key, opened.person(settings)):
            raise NotFound(f"no alarm {key!r} stands; `lumen alert list` shows those that do")
    echo_json({"key": key, "state": "resolved"}) if as_json else typer.echo(f"{key}: resolved")


def suppress(
    note: Annotated[str, typer.Option("--note", "-m", help="Why; kept in the audit log.")] = "", as_json: Json = False
) -> None:
    """No alarm goes out until `lumen alert unsuppress`; they stand all the same, and go out then."""
    _switch(note, on=True, as_json=as_json)


def unsuppress(as_json: Json = False) -> None:
    """Alarms go out again, also those that came up meanwhile and stand."""
    _switch("", on=False, as_json=as_json)


def _switch(note: str, *, on: bool, as_json: bool) -> None:
    from lumen_workers.domain.regions import SUPPRESS

    with opened.store() as (settings, store):
        by = opened.person(settings)
        changed = store.switches.turn_on(SUPPRESS, by, note) if on else store.switches.turn_off(SUPPRESS, by)
    text = "alarms are kept back" if on else "alarms go out"
    if as_json:
        echo_json({"switch": SUPPRESS, "on": on, "changed": changed})
    else:
        typer.echo(text if changed else f"{text} (it was so already)")
