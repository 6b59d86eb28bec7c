"""`lumen outbox`: what goes out to people, and what is in doubt."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

app = typer.Typer(help="What goes out to people: alarms and the day's report.", no_args_is_help=True)

MessageId = Annotated[str, typer.Argument(help="As `lumen outbox list` shows it.")]


@app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option("--state", "-s", help="Only: due, sending, sent, in_doubt or failed.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """Sends, newest first."""
    from lumen_workers.domain.clock import iso
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.notices import SendState

    states = [known.value for known in SendState]
    if state is not None and state not in states:
        raise UsageError(f"--state {state!r}: use one of {', '.join(states)}")
    with opened.store() as (_, store):
        found = store.sends.rows(state=SendState(state) if state else None, limit=limit)
    if as_json:
        echo_json(
            [
                {
                    "message_id": send.message_id,
                    "kind": send.kind,
                    "subject": send.subject,
                    "channel": send.channel,
                    "recipient": send.recipient,
                    "state": send.state.value,
                    "created": iso(send.created),
                    "tries": send.tries,
                    "not_before": iso(send.not_before) if send.not_before else None,
                    "sent_at": iso(send.sent_at) if send.sent_at else None,
                    "sent_by": send.sent_by,
                    "detail": send.detail,
                    "trace_id": send.trace_id,
                }
                for send in found
            ]
        )
        return
    table(
        ("message", "created", "what", "to", "state", "tries", "detail"),
        (
            (s.message_id, s.created, f"{s.kind} {s.subject}", s.recipient, s.state.value, s.tries, s.detail)
            for s in found
        ),
        "Nothing has gone out.",
    )


@app.command()
def repeat(message_id: MessageId, as_json: Json = False) -> None:
    """Send again what is in doubt or has failed: the recipient does not have it."""
    _decide(message_id, "due", "is due again", as_json)


@app.command()
def settle(message_id: MessageId, as_json: Json = False) -> None:
    """Count what is in doubt or has failed as sent: the recipient has it."""
    _decide(message_id, "sent", "counts as sent", as_json)


def _decide(message_id: str, state: str, said: str, as_json: bool) -> None:
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.notices import SendState

    with opened.store() as (settings, store):
        by = opened.person(settings)
        if not store.sends.decide(message_id, SendState(state), by):
            raise UsageError(f"{message_id} is neither in doubt nor failed; `lumen outbox list` shows its state")
        for kind in ("send_in_doubt", "send_failed"):
            store.notices.resolve(f"{kind}/{message_id}", by)
    outcome: dict[str, Any] = {"message_id": message_id, "state": state}
    echo_json(outcome) if as_json else typer.echo(f"{message_id} {said}")
