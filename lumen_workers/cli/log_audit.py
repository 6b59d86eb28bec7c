"""`lumen log audit`: a monitor's work, on the home's log, on a copy of one, or over HTTP."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli.output import Json, echo_json, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumen_workers.trust.notes import VerifierKey
    from lumen_workers.trust.tlog.audit import AuditView, LogReport

_TELL_S = 2.0
"""How often work that takes longer than that is told about."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    folder: Annotated[Path | None, typer.Option("--folder", help="A log's folder instead of the home's.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="A log that is asked over HTTP.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Its verifier key, as `lumen log key` prints it.")] = None,
    remember: Annotated[
        Path | None,
        typer.Option(
            "--remember", help="A file of yours: the log must go on from the checkpoint in it, then it is new."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read everything again: each entry, each tile, the root, the signature; nothing that was promised may be gone."""
    from lumen_workers.domain.errors import CheckFailed, NetworkError, UsageError
    from lumen_workers.trust.files import replace_file
    from lumen_workers.trust.tlog.audit import audit_log

    if folder is not None and url is not None:
        raise UsageError("--folder and --url exclude each other")
    view, verifier = _view(folder, url), _key(key, needed=folder is not None or url is not None)
    try:
        report = audit_log(view, verifier, remembered=_remembered(remember), progress=_teller())
    except ValueError as error:
        raise UsageError(f"{remember} is no checkpoint of {verifier.name}: {error}") from None
    except OSError as error:
        if url is None:
            raise
        raise NetworkError(f"the log cannot be read: {error.strerror or error}") from None
    if report.ok and report.checkpoint is not None and remember is not None:
        replace_file(remember, report.checkpoint)
    if as_json:
        echo_json(_document(report))
    else:
        _tell(report)
    if not report.ok:
        raise CheckFailed(f"the log {report.origin} does not hold: {report.reason}")


def _view(folder: Path | None, url: str | None) -> AuditView:
    from lumen_workers import config
    from lumen_workers.adapters.tlog import HttpLog
    from lumen_workers.engine.attesting import log_folder
    from lumen_workers.trust.tlog.folder import LogFolder

    if url is not None:
        return HttpLog(url)
    return log_folder(config.load().home) if folder is None else LogFolder(folder)


def _key(text: str | None, *, needed: bool) -> VerifierKey:
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.errors import NotFound, UsageError
    from lumen_workers.engine.attesting import LOG_KEY
    from lumen_workers.trust.notes import parse_vkey

    if text is not None:
        try:
            return parse_vkey(text)
        except ValueError as error:
            raise UsageError(f"--key: {error}") from None
    if needed:
        raise UsageError("say with --key whose log it should be, as its owner's `lumen log key` prints it")
    settings = config.load()
    if not (settings.home / "keys" / LOG_KEY).exists():
        raise NotFound(f"{settings.home} has no log yet; `lumen attest FILE` makes the first entry")
    return bootstrap.log_signer_of(settings).key


def _remembered(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None  # the first time: there is nothing to go on from


def _teller() -> Callable[[int, int], None]:
    told = time.monotonic()

    def tell(done: int, size: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_S:
            told = time.monotonic()
            progress(f"{done:,} of {size:,} entries read")

    return tell


def _tell(report: LogReport) -> None:
    for finding in report.findings:
        typer.echo(f"{finding.reason}: {finding.where}: {finding.detail}")
    if report.more:
        typer.echo(f"and {report.more:,} more")
    if report.ok:
        since = "" if report.since is None else f", and goes on from the {report.since:,} that were remembered"
        typer.echo(f"{report.origin}: {report.size:,} entries in {report.tiles:,} tiles hold{since}")


def _document(report: LogReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "reason": report.reason,
        "origin": report.origin,
        "size": report.size,
        "root": None if report.root is None else report.root.hex(),
        "since": report.since,
        "entries": report.entries,
        "tiles": report.tiles,
        "findings": [vars(finding) for finding in report.findings],
        "more": report.more,
    }
