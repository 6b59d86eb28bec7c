"""`lumen alert`: the ways out to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumen_workers.domain.notices import Telling
    from lumen_workers.domain.ports import Channel
    from lumen_workers.domain.recipients import Recipient

app = typer.Typer(help="The ways out to people.", no_args_is_help=True)

_MEND = {
    "network": "see that the peer runs and that its address is right",
    "external_api": "see what the peer says about it",
    "environment": "see that the file is there and may be read",
}
"""What to do about an error whose line does not say so, by its class."""


@app.command("test")
def try_out(
    to: Annotated[list[str] | None, typer.Option("--to", help="Only this recipient; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Tell every configured recipient something harmless, at once and past the outbox. 1 unless all of them have it."""
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.errors import CheckFailed, UsageError

    settings = config.load()
    everyone = {recipient.name: recipient for recipient in bootstrap.routes_of(settings).everyone}
    names = list(dict.fromkeys(to or everyone))
    if unknown := [name for name in names if name not in everyone]:
        raise UsageError(f"unknown recipient {unknown[0]!r}; the recipients are {', '.join(everyone)}")
    channels, telling = bootstrap.channels_of(settings), _telling()
    rows = [_told(channels, everyone[name], telling) for name in names]
    if as_json:
        echo_json(rows)
    else:
        table(
            ("recipient", "channel", "address", "outcome", "why", "what to do"), (tuple(r.values()) for r in rows), ""
        )
    if missed := [str(row["recipient"]) for row in rows if row["outcome"] != "sent"]:
        raise CheckFailed(f"not told for sure: {', '.join(missed)}")


def _telling() -> Telling:
    from lumen_workers.domain.clock import SystemClock
    from lumen_workers.domain.ids import new_trace_id
    from lumen_workers.domain.notices import Telling

    trace_id = new_trace_id()
    return Telling(
        message_id=f"test-{trace_id}",
        title="Lumen test: nothing is wrong",
        text="Somebody tries whether you can be reached (`lumen alert test`). There is nothing to do.",
        severity="info",
        ts=SystemClock().now(),
        trace_id=trace_id,
    )


def _told(channels: Mapping[str, Channel], recipient: Recipient, telling: Telling) -> dict[str, str | None]:
    from lumen_workers.domain.errors import InDoubt

    outcome, why, mend = "sent", None, None
    try:
        channels[recipient.channel].tell(recipient.name, telling)
    except Exception as error:  # noqa: BLE001 — one recipient's trouble is told, and the next one's turn comes
        outcome = "in_doubt" if isinstance(error, InDoubt) else "failed"
        why, mend = _explained(error)
    return {
        "recipient": recipient.name,
        "channel": recipient.channel,
        "address": recipient.address or None,
        "outcome": outcome,
        "why": why,
        "mend": mend,
    }


def _explained(error: Exception) -> tuple[str, str]:
    """What is wrong, and what to do. Ours say both in one line, behind a semicolon."""
    from lumen_workers.domain.errors import LumenError
    from lumen_workers.pipelines.verdicts import judge

    text = " ".join(str(error).split()) or type(error).__name__
    what, _, then = text.partition("; ") if isinstance(error, LumenError) else (text, "", "")
    return what, then or _MEND.get(judge(error).error_class, "see the message")
