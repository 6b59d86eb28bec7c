"""`lumen letters`: messages that nobody will do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table

if TYPE_CHECKING:
    from lumen_workers.domain.notices import Letter

app = typer.Typer(help="Messages that were refused, not understood, or out of reruns.", no_args_is_help=True)

LetterId = Annotated[str, typer.Argument(help="As `lumen letters list` shows it.")]


@app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", "-a", help="Also those that were replayed or discarded.")] = False,
    as_json: Json = False,
) -> None:
    """Letters, oldest first; none is tried again by itself."""
    from lumen_workers.domain.notices import LetterState

    with opened.store() as (_, store):
        found = store.notices.letters(state=None if all_ else LetterState.KEPT)
    if as_json:
        echo_json([_row(letter) for letter in found])
        return
    table(
        ("letter", "when", "task", "region", "state", "reason"),
        ((x.letter_id, x.ts, x.task, x.region, x.state.value, x.reason) for x in found),
        "No letters.",
    )


@app.command()
def show(letter_id: LetterId, as_json: Json = False) -> None:
    """One letter, with what came."""
    with opened.store() as (_, store):
        letter = store.notices.letter(letter_id)
    if as_json:
        echo_json(_row(letter))
        return
    for name, value in _row(letter).items():
        typer.echo(f"{name:>11}: {value if value is not None else '–'}")


@app.command()
def replay(letter_id: LetterId, as_json: Json = False) -> None:
    """Ask again for what the message asked for: a stage's run gets a new attempt, anything else is sent anew."""
    from lumen_workers.engine.letters import replay as again
    from lumen_workers.pipelines.tasks import TASKS

    with opened.sender() as (settings, store, dispatcher):
        outcome = again(store, dispatcher, store.notices.letter(letter_id), TASKS, by=opened.person(settings))
    echo_json({"letter_id": letter_id, **outcome}) if as_json else typer.echo(f"{letter_id}: {outcome['asked']}")


@app.command()
def discard(letter_id: LetterId, as_json: Json = False) -> None:
    """Put a letter away: it has been looked at, and nothing is to be done."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.domain.notices import LetterState

    with opened.store() as (settings, store):
        letter = store.notices.letter(letter_id)
        if not store.notices.handle(letter_id, LetterState.DISCARDED, opened.person(settings)):
            raise UsageError(f"{letter_id} was {letter.state.value} already, by {letter.handled_by}")
    echo_json({"letter_id": letter_id, "state": "discarded"}) if as_json else typer.echo(f"{letter_id}: discarded")


def _row(letter: Letter) -> dict[str, Any]:
    from lumen_workers.domain.clock import iso

    return {
        "letter_id": letter.letter_id,
        "ts": iso(letter.ts),
        "task": letter.task,
        "region": letter.region,
        "reason": letter.reason,
        "payload": letter.payload,
        "trace_id": letter.trace_id,
        "state": letter.state.value,
        "handled_by": letter.handled_by,
        "handled_at": iso(letter.handled_at) if letter.handled_at else None,
    }
