"""`lumen log`: the home's transparency log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli import log_audit
from lumen_workers.cli.output import Json, echo_json

if TYPE_CHECKING:
    from lumen_workers.trust.notes import NoteSigner

app = typer.Typer(help="The transparency log: append-only, signed, for anybody to check.", no_args_is_help=True)
log_audit.register(app)


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


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="Its address; it asks nobody who he is.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8080,
    public: Annotated[bool, typer.Option("--public", help="Needed for an address that other machines reach.")] = False,
) -> None:
    """Serve the log, read-only: C2SP tiles and proofs as JSON, until Ctrl-C. It opens neither the store nor a key."""
    from lumen_workers import config
    from lumen_workers.engine.attesting import log_folder, trust_home
    from lumen_workers.trust.pki.authority import TRUST_FILE
    from lumen_workers.web.serve import bind, run
    from lumen_workers.web.tlog import make_log_app

    _check_public(host, public)
    home = config.load().home
    with bind(host, port, name="lumen log serve", choose="--port") as listener:
        run("log", make_log_app(log_folder(home), trust_home(home).trust / TRUST_FILE), host, listener)


@app.command()
def witness(
    state: Annotated[Path, typer.Option("--state", help="Where it keeps its key and what it has seen.")],
    name: Annotated[str, typer.Option("--name", help="Its name, best an address of its own.")],
    log: Annotated[list[str] | None, typer.Option("--log", help="A log's verifier key; repeatable.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="A C2SP tlog-policy that names the logs.")] = None,
    host: Annotated[str, typer.Option("--host", help="Its address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8090,
    public: Annotated[bool, typer.Option("--public", help="Needed for an address that other machines reach.")] = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="Print its verifier key, and end.")] = False,
) -> None:
    """Witness logs: cosign each tree that goes on from the one before, with the time. It runs where you like."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.keys import create_key, load_ed25519
    from lumen_workers.trust.notes import Cosigner, parse_vkey
    from lumen_workers.trust.tlog.policy import parse_policy
    from lumen_workers.trust.tlog.witness import Witness
    from lumen_workers.web.serve import bind, run
    from lumen_workers.web.witness import make_witness_app

    _check_public(host, public)
    try:
        keys = [parse_vkey(item) for item in log or ()]
        keys += parse_policy(policy.read_text(encoding="utf-8")).logs if policy is not None else ()
    except (OSError, ValueError) as error:
        raise UsageError(f"the logs cannot be read: {error}") from None
    if not keys and not show_key:
        raise UsageError("a witness needs a log: --log VKEY, as `lumen log key` prints it, or --policy FILE")
    path = state / "witness.pem"
    if not path.exists():
        create_key(path)
    try:
        cosigner = Cosigner(name, load_ed25519(path))
    except ValueError as error:
        raise UsageError(f"--name: {error}") from None
    typer.echo(cosigner.key.vkey)
    if show_key:
        return
    with bind(host, port, name="lumen log witness", choose="--port") as listener:
        witness = Witness(state, cosigner, {key.name: key for key in keys})
        run("witness", make_witness_app(witness), host, listener)


def _check_public(host: str, public: bool) -> None:
    from lumen_workers.domain.errors import ConfigError
    from lumen_workers.domain.recipients import is_loopback

    if not public and not is_loopback(host):
        raise ConfigError(f"{host} can be reached from other machines; say --public if that is meant")


def _signer() -> NoteSigner:
    from lumen_workers import bootstrap, config

    settings = config.load()
    bootstrap.open_home(settings)
    return bootstrap.log_signer_of(settings)
