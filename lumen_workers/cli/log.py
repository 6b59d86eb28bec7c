"""`lumen log`: the home's transparency log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import log_audit, log_serve
from lumen_workers.cli.output import Json, echo_json

if TYPE_CHECKING:
    from lumen_workers.trust.notes import NoteSigner

app = typer.Typer(help="The transparency log: append-only, signed, for anybody to check.", no_args_is_help=True)
log_audit.register(app)
log_serve.register(app)


@app.command()
def key(as_json: Json = False) -> None:
    """The log's verifier key, in signed-note form: name, key id, key. It is made if there is none yet."""
    vkey = _signer().key.vkey
    if as_json:
        echo_json({"vkey": vkey, "origin": _signer().key.name})
    else:
        typer.echo(vkey)


@app.command()
def show(as_json: Json = False) -> None:
    """How many entries it has, and the root over them."""
    from datetime import UTC, datetime

    from lumen_workers import config
    from lumen_workers.domain.errors import NotFound
    from lumen_workers.engine.attesting import log_folder
    from lumen_workers.trust.checkpoints import parse_checkpoint
    from lumen_workers.trust.notes import parse_note
    from lumen_workers.trust.tlog.tiles import CHECKPOINT

    folder = log_folder(config.load().home)
    data = folder.checkpoint()
    if data is None:
        raise NotFound(f"{folder.path} has no checkpoint yet; `lumen attest FILE` makes the first entry")
    note = parse_note(data)
    found = parse_checkpoint(note.text)
    if as_json:
        published = datetime.fromtimestamp((folder.path / CHECKPOINT).stat().st_mtime, UTC)
        echo_json(
            {
                "origin": found.origin,
                "size": found.size,
                "root": found.root.hex(),
                "signed_by": [line.name for line in note.signatures],
                "published_at": published.isoformat(timespec="seconds"),
            }
        )
    else:
        typer.echo(data.decode().rstrip("\n"))


@app.command()
def proof(
    index: Annotated[int, typer.Argument(min=0, help="The entry, from 0.")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="An older checkpoint instead of the newest.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of the terminal.")] = None,
) -> None:
    """The proof that an entry is in the log, as a C2SP tlog-proof."""
    from lumen_workers import config
    from lumen_workers.domain.errors import CheckFailed, NotFound, UsageError
    from lumen_workers.engine.attesting import log_folder
    from lumen_workers.trust import merkle
    from lumen_workers.trust.checkpoints import parse_checkpoint
    from lumen_workers.trust.notes import parse_note
    from lumen_workers.trust.tlog.proof import TlogProof
    from lumen_workers.trust.tlog.tree import LogFault

    folder = log_folder(config.load().home)
    data = folder.checkpoint() if checkpoint is None else checkpoint.read_bytes()
    try:
        under = None if data is None else parse_checkpoint(parse_note(data).text)
    except ValueError as error:
        raise UsageError(f"{checkpoint or folder.path / 'checkpoint'} is no checkpoint: {error}") from None
    if data is None or under is None or index >= under.size:
        raise NotFound(f"there is no entry {index}; the log has {under.size if under else 0}")
    try:
        tree = folder.tree(under.size)
        hashes = tuple(tree.inclusion(index))
        if not merkle.verify_inclusion(tree.leaf(index), index, under.size, hashes, under.root):
            raise LogFault("root_mismatch", f"the log has not the tree of {under.size} entries that was signed")
    except LogFault as error:
        raise CheckFailed(f"{error}; `lumen log audit` tells what is wrong with {folder.path}") from None
    text = TlogProof(index, hashes, data).dump()
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _signer() -> NoteSigner:
    from lumen_workers import bootstrap, config

    settings = config.load()
    bootstrap.open_home(settings)
    return bootstrap.log_signer_of(settings)
