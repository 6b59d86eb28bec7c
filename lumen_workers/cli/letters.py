"""`lumen letters`: messages that were refused."""

from __future__ import annotations

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

app = typer.Typer(help="Messages that were refused.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every refused message, oldest first; none is tried again by itself."""
    from lumen_workers.domain.clock import iso

    with opened.store() as (_, store):
        found = store.notices.letters()
    if as_json:
        echo_json(
            [
                {
                    "letter_id": letter.letter_id,
                    "ts": iso(letter.ts),
                    "task": letter.task,
                    "region": letter.region,
                    "reason": letter.reason,
                    "payload": letter.payload,
                    "trace_id": letter.trace_id,
                }
                for letter in found
            ]
        )
        return
    table(
        ("letter", "when", "task", "region", "reason"),
        ((letter.letter_id, letter.ts, letter.task, letter.region, letter.reason) for letter in found),
        "No message has been refused.",
    )
