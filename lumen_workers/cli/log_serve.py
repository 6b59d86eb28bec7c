"""`lumen log serve` and `lumen log witness`: the two servers of a log. Neither needs the store or a broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumen_workers.trust.notes import VerifierKey

Public = Annotated[bool, typer.Option("--public", help="Needed for an address that other machines reach.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(witness)


def serve(
    host: Annotated[str, typer.Option("--host", help="Its address; it asks nobody who he is.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8080,
    public: Public = False,
) -> None:
    """Serve the log, read-only: C2SP tiles and proofs as JSON, until Ctrl-C. It opens neither the store nor a key.

    Whatever it serves is signed and meant for everybody, so it has no password to ask for. Who lets other machines
    reach it says so with --public: an address should never be open because somebody mistyped it.
    """
    from lumen_workers import config
    from lumen_workers.engine.attesting import log_folder, trust_home
    from lumen_workers.trust.pki.authority import TRUST_FILE
    from lumen_workers.web.listen import bind, run
    from lumen_workers.web.tlog import make_log_app

    _check_public(host, public)
    home = config.load().home
    with bind(host, port, name="lumen log serve", choose="--port") as listener:
        run("log", make_log_app(log_folder(home), trust_home(home).trust / TRUST_FILE), host, listener)


def witness(
    state: Annotated[Path, typer.Option("--state", help="Where it keeps its key and what it has seen.")],
    name: Annotated[str, typer.Option("--name", help="Its name, best an address of its own.")],
    log: Annotated[
        list[str] | None, typer.Option("--log", help="A log's verifier key, or a policy's file; repeatable.")
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="A C2SP tlog-policy that names the logs.")] = None,
    host: Annotated[str, typer.Option("--host", help="Its address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8090,
    public: Public = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="Print its verifier key, and end.")] = False,
) -> None:
    """Witness logs: cosign each tree that goes on from the one before, with the time. It runs where you like.

    Anybody may ask it, since it cosigns only what a known log has signed; --public says that other machines may.
    """
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.keys import create_key, load_ed25519
    from lumen_workers.trust.notes import Cosigner
    from lumen_workers.trust.tlog.witness import Witness
    from lumen_workers.web.listen import bind, run
    from lumen_workers.web.witness import make_witness_app

    _check_public(host, public)
    keys = _logs([*(log or ()), *(() if policy is None else (str(policy),))])
    if not keys and not show_key:
        raise UsageError("a witness needs a log: --log VKEY, as `lumen log key` prints it, or --policy FILE")
    path = state / "witness.pem"
    if not path.exists():
        create_key(path)
    try:
        cosigner = Cosigner(name, load_ed25519(path))
    except ValueError as error:
        raise UsageError(f"--name: {error}") from None
    try:
        witness = Witness(state, cosigner, keys)
    except ValueError as error:
        raise UsageError(f"--log: {error}") from None
    typer.echo(cosigner.key.vkey)
    if not show_key:
        with bind(host, port, name="lumen log witness", choose="--port") as listener:
            run("witness", make_witness_app(witness), host, listener)


def _logs(named: Sequence[str]) -> list[VerifierKey]:
    """Verifier keys, and those of policy files. Raises UsageError."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.tlog.policy import parse_policy

    keys: list[VerifierKey] = []
    for item in named:
        try:
            keys.append(parse_vkey(item))
        except ValueError as error:
            try:
                text = Path(item).read_text(encoding="utf-8")
            except (OSError, ValueError):
                raise UsageError(f"{item[:200]} names no log: {error}") from None
            try:
                keys += parse_policy(text).logs
            except ValueError as fault:
                raise UsageError(f"{item}: {fault}") from None
    return keys


def _check_public(host: str, public: bool) -> None:
    from lumen_workers.domain.errors import ConfigError
    from lumen_workers.domain.recipients import is_loopback

    if not public and not is_loopback(host):
        raise ConfigError(f"{host} can be reached from other machines; say --public if that is meant")
