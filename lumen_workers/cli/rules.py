"""`lumen rules`: the rules of a loop and their history."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, Loop, echo_json, signed, table, text

if TYPE_CHECKING:
    from lumen_workers.domain.records import RuleEvent

app = typer.Typer(help="A loop's rules: read, change, undo.", no_args_is_help=True)

LoopName = Annotated[str, typer.Option("--loop", "-l", help="The loop.")]
Actor = Annotated[str | None, typer.Option("--actor", help="Who changes it; you, unless given.")]
Note = Annotated[str, typer.Option("--note", help="Why.")]


@app.command("list")
def list_(
    loop: Loop = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only this rule.")] = None,
    as_json: Json = False,
) -> None:
    """The rule history, oldest first."""
    with opened.context() as (ctx, _):
        events = ctx.rules().list(loop, rule=rule)
        if as_json:
            echo_json([row(event) for event in events])
            return
        table(
            ("event", "loop", "when", "actor", "rule", "old", "new", "state", "since", "note"),
            (
                (
                    *(e.event_id, e.loop, e.ts, e.actor, e.rule, f"{e.old:g}", f"{e.new:g}", e.state.value),
                    *(e.applied_at or e.failed_at, e.note if e.why is None else f"{e.why}; {e.note}".rstrip("; ")),
                )
                for e in events
            ),
            "No rule has been changed yet; `lumen rules set` changes one.",
        )


@app.command()
def get(loop: LoopName = "main", as_json: Json = False) -> None:
    """The present values."""
    with opened.context() as (ctx, _):
        values = ctx.rules().get(loop)
        bounds = ctx.loops[loop].rules if loop in ctx.loops else {}
        if as_json:
            echo_json({name: value.value for name, value in values.items()})
            return
        table(
            ("rule", "value", "min", "max", "since"),
            (
                (
                    name,
                    f"{v.value:g}",
                    *((f"{bounds[name].min:g}", f"{bounds[name].max:g}") if name in bounds else (None, None)),
                    v.since,
                )
                for name, v in values.items()
            ),
            f"Loop {loop} declares no rules.",
        )


# A negative value must not be taken for an option.
@app.command("set", context_settings={"ignore_unknown_options": True})
def set_(
    rule: str,
    value: float,
    loop: LoopName = "main",
    actor: Actor = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Change a rule. The effect is computed once the window after the change is complete."""
    with opened.context() as (ctx, _):
        event = ctx.rules().set(loop, rule, value, actor=actor or _me(), note=note)
        _tell([event], as_json)


@app.command()
def rollback(
    event: Annotated[str | None, typer.Argument(help="The event to undo.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Instead: back to how the rules were at this time.")] = None,
    automatic: Annotated[
        str | None, typer.Option("--last-automatic", help="Instead: this rule's last automatic change.")
    ] = None,
    loop: LoopName = "main",
    rule: Annotated[str | None, typer.Option("--rule", help="With --to: only this rule.")] = None,
    actor: Actor = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Undo by a new event; history is never edited. Rolling back a rollback redoes."""
    from lumen_workers.domain.clock import parse_ts
    from lumen_workers.domain.errors import UsageError

    if sum(item is not None for item in (event, to, automatic)) != 1:
        raise UsageError("give one of EVENT, --to TIME or --last-automatic RULE")
    who = actor or _me()
    with opened.context() as (ctx, _):
        rules = ctx.rules()
        if event is not None:
            _tell([rules.rollback(event, actor=who, note=note)], as_json)
        elif automatic is not None:
            _tell([rules.rollback_automatic(loop, automatic, actor=who, note=note)], as_json)
        elif to is not None:
            _tell(list(rules.rollback_to(loop, parse_ts(to, "--to"), actor=who, rule=rule, note=note)), as_json)


def row(event: RuleEvent) -> dict[str, Any]:
    """An event as JSON."""
    from lumen_workers.domain.clock import iso

    return {
        "event_id": event.event_id,
        "loop": event.loop,
        "ts": iso(event.ts),
        "state": event.state.value,
        "applied_at": iso(event.applied_at) if event.applied_at else None,
        "failed_at": iso(event.failed_at) if event.failed_at else None,
        "why": event.why,
        "actor": event.actor,
        "rule": event.rule,
        "old": event.old,
        "new": event.new,
        "note": event.note,
        "automatic": event.automatic,
        "undoes": event.undoes,
        "repair": event.repair,
    }


def _me() -> str:
    """The user's name; the number where the machine knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _tell(events: list[RuleEvent], as_json: bool) -> None:
    if as_json:
        echo_json([row(event) for event in events])
        return
    for event in events:
        change = f"{event.old:g} → {event.new:g} ({signed(event.new - event.old)})"
        state = f"applied {text(event.applied_at)}" if event.applied_at else f"{event.state.value}: the loop is told"
        typer.echo(f"{event.event_id}  {event.loop}  {event.rule}: {change}, {state}")
