"""`lumen verify`: evidence against a pinned root, check by check; or the chain of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lumen_workers.cli.output import Json, Styled, echo_json, progress, table

if TYPE_CHECKING:
    from lumen_workers.archive.chain import DayFound
    from lumen_workers.config import Settings
    from lumen_workers.trust.evidence.policy import VerifyPolicy
    from lumen_workers.trust.evidence.question import LogView
    from lumen_workers.trust.evidence.report import EvidenceReport
    from lumen_workers.trust.pki.trust_file import TrustFile

_STYLES = {"ran": "green", "failed": "red", "skipped": "dim"}


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(verify)


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="What was attested, its evidence file, or a day's folder.", show_default=False)
    ] = None,
    bundle: Annotated[
        Path | None, typer.Argument(help="The evidence file; FILE.lumen.json, unless given.", show_default=False)
    ] = None,
    root: Annotated[
        list[str] | None, typer.Option("--root", help="SHA-256 of the root that you trust; this home's, unless given.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Read nothing but what is named here.")] = False,
    policy: Annotated[str, typer.Option("--policy", help="default, strict, or a JSON file.")] = "default",
    day: Annotated[str | None, typer.Option("--day", help="The day that it must be of.")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="A newer trust file.")] = None,
    crl: Annotated[Path | None, typer.Option("--crl", help="A newer revocation list, DER.")] = None,
    tlog: Annotated[str | None, typer.Option("--tlog", help="The log's URL: does it still hold the entry?")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Walk the archive's days from this one on; takes no FILE.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say yes or no to evidence, and why: signature, certificates, revocation, log, time, files."""
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.errors import CheckFailed, UsageError

    if (file is None) == (since is None):
        raise UsageError("give a FILE to verify, or --since DAY to walk the archive's days")
    if offline and tlog is not None:
        raise UsageError("--offline and --tlog exclude each other")
    settings = config.load()
    known = _Known(
        roots=tuple(_fingerprint(item) for item in root) if root else bootstrap.roots_of(settings),
        policy=_policy(policy),
        trust_file=_trust_file(trust) if trust else _home_trust(settings, offline),
        at_hand=trust is None,
        crl=_bytes(crl) if crl else None,
        log=_http_log(tlog) if tlog else None,
        home=None if offline or tlog else settings.home,
    )
    if since is not None:
        _walk(settings, known, since, as_json)
        return
    assert file is not None
    reports = _reports(file, bundle, known, None if day is None else _day(day))
    if as_json:
        echo_json(reports[0][1].as_json() if len(reports) == 1 else [report.as_json() for _, report in reports])
    else:
        for path, report in reports:
            _show(path, report)
    if refused := [(path, report) for path, report in reports if not report.ok]:
        path, report = refused[0]
        raise CheckFailed(f"{path} does not hold: {report.reason} ({report.verdict})")


@dataclass(frozen=True)
class _Known:
    """What the verifier brings along. ``home``: where a log may lie that is asked if the evidence is in it."""

    roots: tuple[str, ...]
    policy: VerifyPolicy
    trust_file: TrustFile | None
    at_hand: bool
    crl: bytes | None
    log: LogView | None
    home: Path | None


def _reports(file: Path, bundle: Path | None, known: _Known, day: date | None) -> list[tuple[Path, EvidenceReport]]:
    from lumen_workers.archive.evidence import evidence_in
    from lumen_workers.domain.errors import NotFound, UsageError
    from lumen_workers.trust.evidence.form import SUFFIX

    if missing := [path for path in (file, bundle) if path is not None and not path.exists()]:
        raise NotFound(f"{missing[0]} is not there")
    files: dict[str, Path] = {}
    if file.is_dir():
        if bundle is not None:
            raise UsageError("a folder has its evidence in it: give no further file")
        paths = [file / name for name in evidence_in(file)]
        if not paths:
            raise NotFound(f"there is no evidence file (…{SUFFIX}) in {file}")
    elif bundle is None and file.name.endswith(SUFFIX):
        paths = [file]
    else:
        paths = [bundle or file.with_name(file.name + SUFFIX)]
        files = {_name(file, paths[0]): file}
    return [(path, _report(path, files, known, day, whole=file.is_dir())) for path in paths]


def _report(path: Path, files: dict[str, Path], known: _Known, day: date | None, *, whole: bool) -> EvidenceReport:
    from lumen_workers.archive.evidence import check_folder, read_evidence
    from lumen_workers.engine.attesting import log_of
    from lumen_workers.trust.evidence.question import Question
    from lumen_workers.trust.evidence.verify import verify_evidence

    data = read_evidence(path)
    question = Question(
        roots=known.roots,
        now=datetime.now(UTC),
        folder=path.parent,
        files=files,
        whole=whole,
        day=day,
        policy=known.policy,
        trust_file=known.trust_file,
        at_hand=known.at_hand,
        crl=known.crl,
        log=known.log if known.home is None else log_of(known.home, data),
        snapshot=check_folder,
    )
    return verify_evidence(data, question)


def _name(file: Path, evidence: Path) -> str:
    """The file's name as seen from its evidence."""
    folder, path = evidence.parent.resolve(), file.parent.resolve() / file.name
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else file.name


def _show(path: Path, report: EvidenceReport) -> None:
    rows = [
        (check.name, Styled(check.status, _STYLES[check.status]), check.reason, check.detail) for check in report.checks
    ]
    table(("check", "status", "reason", "detail"), rows, "")
    typer.echo()
    typer.echo(f"{path}: {_line(report)}")


def _line(report: EvidenceReport) -> str:
    parts = [report.verdict.value + ("" if report.ok else f" ({report.reason})")]
    if report.signer:
        parts.append(f"signed by {report.signer}")
    parts.append(f"seen by witnesses at {report.signed_at:%Y-%m-%d %H:%M:%S} UTC" if report.signed_at else "no witness")
    if report.development:
        parts.append("development root")
    return ", ".join(parts)


def _walk(settings: Settings, known: _Known, since: str, as_json: bool) -> None:
    from lumen_workers import bootstrap
    from lumen_workers.archive.chain import walk_days
    from lumen_workers.domain.errors import CheckFailed

    found: list[DayFound] = []
    for day in walk_days(
        bootstrap.remote_of(settings),
        _day(since),
        roots=known.roots,
        now=datetime.now(UTC),
        policy=known.policy,
        trust_file=known.trust_file,
        at_hand=known.at_hand,
        crl=known.crl,
    ):
        found.append(day)
        progress(f"{day.name}  {'holds' if day.ok else day.reason}")
    ok = bool(found) and all(day.ok for day in found)
    if as_json:
        echo_json({"ok": ok, "since": since, "days": [day.as_json() for day in found]})
    else:
        rows = ((day.name, day.verdict, day.root[:16] if day.root else None, day.reason) for day in found)
        table(("snapshot", "verdict", "root", "reason"), rows, "The archive has no day since then.")
    if not ok:
        wrong = next((day for day in found if not day.ok), None)
        raise CheckFailed(f"{wrong.name}: {wrong.reason}" if wrong else f"the archive has no day since {since}")


def _policy(text: str) -> VerifyPolicy:
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.evidence.policy import NAMED, read_policy

    if text in NAMED:
        return NAMED[text]
    if not Path(text).is_file():
        raise UsageError(f"--policy {text}: use {', '.join(NAMED)} or a JSON file")
    try:
        return read_policy(Path(text).read_bytes())
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from None


def _fingerprint(text: str) -> str:
    from lumen_workers.domain.errors import UsageError

    plain = text.replace(":", "").lower()
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise UsageError(f"--root {text[:80]}: a fingerprint is the SHA-256 of the root certificate, 64 hex digits")
    return plain


def _day(text: str) -> date:
    from lumen_workers.domain.errors import UsageError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no day; use YYYY-MM-DD") from None


def _bytes(path: Path) -> bytes:
    from lumen_workers.domain.errors import NotFound

    if not path.is_file():
        raise NotFound(f"{path} is not there")
    return path.read_bytes()


def _trust_file(path: Path) -> TrustFile:
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.pki.trust_file import parse_trust_file

    try:
        return parse_trust_file(_bytes(path))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def _home_trust(settings: Settings, offline: bool) -> TrustFile | None:
    """What this home knows of its root: newer lists and documents, perhaps. Nothing where it has none."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.engine.attesting import trust_home

    home = trust_home(settings.home)
    if offline or not home.exists:
        return None
    try:
        return home.trust_file()
    except UsageError:
        return None


def _http_log(url: str) -> LogView:
    from lumen_workers.adapters.tlog import HttpLog

    return HttpLog(url)
