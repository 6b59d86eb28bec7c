"""`lumen gateway`: whether Lumen may change a loop's rules by itself."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import open as opened
from lumen_workers.cli.output import Json, echo_json, table
from lumen_workers.cli.phrases import CONFIRM, PHRASE, ConfirmFile, PhraseFile, phrase

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.domain.gateway import Gateway
    from lumen_workers.engine.context import Context

app = typer.Typer(
    help="Whether Lumen may change a loop's rules by itself: only while the loop's gateway is locked. "
    "First `lumen gateway sign`, then `lumen gateway lock`.",
    no_args_is_help=True,
)

LoopName = Annotated[str, typer.Option("--loop", "-l", help="The loop.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why; kept in the log.")]
Signer = Annotated[str | None, typer.Option("--signer", help="Who signs; you, unless given or configured.")]


@contextmanager
def _opened() -> Iterator[tuple[Settings, Context, str]]:
    """Settings, a context and who works here."""
    from lumen_workers import config

    settings = config.load()
    with opened.context() as (ctx, _):
        yield settings, ctx, opened.person(settings)


@app.command()
def status(loop: LoopName = "main", as_json: Json = False) -> None:
    """Where the gateway stands, and whether the loop is aligned now."""
    from lumen_workers.loop.gateway import why_not_locked

    with _opened() as (_, ctx, _by):
        opened.known_loop(ctx.store.loops.rates(), loop)
        seen = ctx.gatekeeper.seen(loop)
        blocked = why_not_locked(ctx.store, loop, ctx.gateway)
        found = {
            **_row(ctx.store.gateways.get(loop), loop),
            "rate_hz": ctx.store.loops.rates()[loop],
            "sync_mode": ctx.store.loops.settings()[loop].sync_mode,
            "phase_lock": seen.word,
            "seeking_because": seen.why or None,
            "phase_diff": seen.phase_diff,
            "creative_band": seen.creative_band,
            "risk_band": seen.risk_band,
            "notes": list(seen.notes),
            "may_change_rules": blocked is None,
            "blocked_because": blocked,
        }
    if as_json:
        echo_json(found)
        return
    told = {key.replace("_", " "): "; ".join(v) if isinstance(v, list) else v for key, v in found.items()}
    table(("gateway", found["loop"]), [item for item in told.items() if item[0] != "loop"], "")


@app.command()
def sign(
    loop: LoopName = "main",
    phrase_file: PhraseFile = None,
    confirm_file: ConfirmFile = None,
    signer: Signer = None,
    as_json: Json = False,
) -> None:
    """Set the signing phrase, the first time; later, check it. Begins and binds the gateway on the way.

    Without a confirm phrase of its own the signing phrase locks, too.
    """
    with _opened() as (settings, ctx, by):
        settings.loop(loop)
        before = ctx.store.gateways.get(loop)
        first = before is None or before.key is None
        said = phrase("signing phrase", phrase_file, settings.env.gateway_phrase, PHRASE, twice=first)
        confirm = _confirm(settings, confirm_file) if first else None
        gateway = ctx.gatekeeper.sign(loop, said, by, confirm=confirm, signer=signer or getpass.getuser())
    _say(gateway, as_json, "the phrase is set" if first else "the phrase is right")


@app.command()
def lock(loop: LoopName = "main", phrase_file: PhraseFile = None, note: Note = "", as_json: Json = False) -> None:
    """Lock in, with the confirm phrase: from now on Lumen may change the loop's rules by itself."""
    from lumen_workers.local.session import write_session

    with _opened() as (settings, ctx, by):
        settings.loop(loop)
        env = settings.env
        given, name = (env.gateway_confirm, CONFIRM) if env.gateway_confirm else (env.gateway_phrase, PHRASE)
        said = phrase("confirm phrase", phrase_file, given, name)
        gateway = ctx.gatekeeper.lock(loop, said, by, note)
        write_session(settings, ctx.store, gateway, by)
    _say(gateway, as_json, "Lumen may change its rules")


@app.command()
def unlock(loop: LoopName = "main", note: Note = "", as_json: Json = False) -> None:
    """Leave the lock: Lumen changes no rule by itself. Nothing is rolled back, and no phrase is needed."""
    from lumen_workers.local.session import write_session

    with _opened() as (settings, ctx, by):
        gateway = ctx.gatekeeper.unlock(loop, by, note)
        write_session(settings, ctx.store, gateway, by)
    _say(gateway, as_json, "Lumen changes no rule")


@app.command()
def rekey(
    loop: LoopName = "main",
    phrase_file: PhraseFile = None,
    confirm_file: ConfirmFile = None,
    signer: Signer = None,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Set another phrase, on purpose; --note says why, and the audit log keeps it. Not while locked."""
    from lumen_workers.domain.errors import UsageError

    if not note.strip():
        raise UsageError("say with --note why the phrase is replaced; the audit log keeps it")
    with _opened() as (settings, ctx, by):
        settings.loop(loop)
        said = phrase("new signing phrase", phrase_file, settings.env.gateway_phrase, PHRASE, twice=True)
        confirm = _confirm(settings, confirm_file)
        gateway = ctx.gatekeeper.rekey(loop, said, by, why=note, confirm=confirm, signer=signer or getpass.getuser())
    _say(gateway, as_json, "another phrase is set")


@app.command()
def init(loop: LoopName = "main", as_json: Json = False) -> None:
    """Begin anew, as after a change of gateway_activation.yaml; the phrases stay. `sign` does it the first time."""
    with _opened() as (_, ctx, by):
        gateway = ctx.gatekeeper.init(loop, by)
    _say(gateway, as_json, "`lumen gateway bind` is next")


@app.command()
def bind(loop: LoopName = "main", as_json: Json = False) -> None:
    """Bind the loop, at the rate that gateway_activation.yaml names. `sign` does it the first time."""
    with _opened() as (_, ctx, by):
        gateway = ctx.gatekeeper.bind(loop, by)
    _say(gateway, as_json, "`lumen gateway sign` is next")


@app.command("restore-check")
def restore_check(loop: LoopName = "main", as_json: Json = False) -> None:
    """Whether the next session could go on: locked, a phrase, the sync log, and a session file that says the same."""
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.local.session import restore_check as check

    with opened.store() as (settings, store):
        opened.known_loop(store.loops.rates(), loop)
        checks = check(settings, store, loop)
    if as_json:
        echo_json([vars(item) for item in checks])
    else:
        table(("check", "holds", "found"), ((item.what, item.ok, item.found) for item in checks), "")
    if failed := [f"{item.what}: {item.found}" for item in checks if not item.ok]:
        raise CheckFailed(f"loop {loop!r} cannot be restored: {'; '.join(failed)}")


@app.command()
def log(
    loop: LoopName = "main",
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="How many lines.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest lines of logs/gateway_sync.log."""
    from lumen_workers.archive.forms.journal import journal_line
    from lumen_workers.domain.clock import iso
    from lumen_workers.domain.journal import GATEWAY

    with opened.store() as (_, store):
        opened.known_loop(store.loops.rates(), loop)
        entries = store.journal.rows(GATEWAY, loop, limit=last)
    if as_json:
        echo_json([{"ts": iso(entry.ts), **entry.data} for entry in entries])
        return
    for entry in entries:
        typer.echo(journal_line(entry))
    if not entries:
        typer.echo(f"Loop {loop} has no gateway yet; `lumen gateway sign` begins one.")


def _confirm(settings: Settings, file: Any) -> str | None:
    """A confirm phrase of its own, where one is given."""
    given = settings.env.gateway_confirm
    return phrase("confirm phrase", file, given, CONFIRM) if file is not None or given is not None else None


def _row(gateway: Gateway | None, loop: str) -> dict[str, Any]:
    """A gateway as JSON; of the phrases only who set them."""
    from lumen_workers.domain.clock import iso

    key = None if gateway is None else gateway.key
    return {
        "loop": loop,
        "status": None if gateway is None else gateway.status.value,
        "since": None if gateway is None else iso(gateway.since),
        "signer": None if key is None else key.signer,
    }


def _say(gateway: Gateway, as_json: bool, text: str) -> None:
    if as_json:
        echo_json(_row(gateway, gateway.loop))
    else:
        typer.echo(f"gateway of {gateway.loop}: {gateway.status.value}; {text}")
