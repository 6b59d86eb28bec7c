"""`lumen pki`, the commands of a root's operator: they need the root's folder, and no worker ever does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.trust.dsse import PublicKey
    from lumen_workers.trust.pki.authority import Authority
    from lumen_workers.trust.pki.home import TrustHome

RootFolder = Annotated[Path, typer.Option("--root", help="The root's folder.")]
Reason = Annotated[str, typer.Option("--reason", help="superseded, key_compromise, cessation_of_operation …")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A folder to carry to the home, instead of this home.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init-root")(init_root)
    for command in (issue, rotate, revoke, crl, ocsp, trust):
        app.command()(command)


def init_root(
    folder: Annotated[Path, typer.Argument(help="An empty folder, best on a medium that is kept apart.")],
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Leave the key unencrypted.")] = False,
) -> None:
    """Make a root: a P-256 key and its certificate, ten years. Its passphrase is LUMEN_CA_PASS, or asked for."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.pki.authority import KEY, Authority

    settings = _settings()
    if folder.resolve().is_relative_to(settings.home.resolve()):
        raise UsageError(f"{folder} lies in the home {settings.home}, where workers are; choose another place")
    if (folder / KEY).exists():
        raise UsageError(f"{folder} holds a root already; choose an empty folder")
    secret = None if no_passphrase else _passphrase(settings, twice=True)
    made = Authority.create(folder, secret, _now())
    typer.echo(f"{folder}: root {made.fingerprint}")
    typer.echo("Print this fingerprint and hand it to whoever verifies; keep the folder offline.")


def issue(
    region: Annotated[str, typer.Argument(help="The region to sign for.")],
    root: RootFolder,
    request: Annotated[
        Path | None, typer.Option("--request", help="What `lumen pki request` has written elsewhere.")
    ] = None,
    output: Output = None,
    days: Annotated[int, typer.Option("--days", min=1, max=180, help="How long it is valid.")] = 180,
) -> None:
    """Issue a signer certificate, and see to it that the home's log is named; into this home, or a folder for one."""
    from lumen_workers.domain.errors import UsageError

    settings = _settings()
    settings.check_region(region)
    if (request is None) != (output is None):
        raise UsageError("--request and --output go together: for a home on another machine")
    public, vkey = _asked(region, request)
    opened, now = _open(settings, root), _now()
    _name_log(opened, vkey, now)
    certificate = opened.issue(region, public, now, days)
    home = _target(settings, output)
    with home.alone():
        home.install(opened.trust_file(), _ledger(opened), first=output is not None or _development(home))
        home.put(region, certificate, opened.answer(certificate, now))
    where = f"{output}; the home runs `lumen pki install {output.name}`" if output else home.chain_path(region)
    typer.echo(f"{region}: certificate {certificate.serial_number:x}, until {certificate.not_valid_after_utc:%Y-%m-%d}")
    typer.echo(f"written to {where}")


def rotate(
    root: RootFolder,
    region: Annotated[str | None, typer.Argument(help="The region whose key is made anew.")] = None,
    new_root: Annotated[
        Path | None, typer.Option("--new-root", help="Instead of a region: the root that follows this one.")
    ] = None,
    reason: Reason = "superseded",
) -> None:
    """A new key and certificate for a region of this home; or a new root, by a document that both roots sign."""
    from lumen_workers.domain.errors import UsageError

    if (region is None) == (new_root is None):
        raise UsageError("give a region, or --new-root DIR")
    settings, now = _settings(), _now()
    opened = _open(settings, root)
    if new_root is not None:
        following = _open(settings, new_root)
        following.follow(opened, now, reason)
        typer.echo(f"{following.fingerprint} follows {opened.fingerprint}; issue every region's certificate under it")
        return
    assert region is not None
    settings.check_region(region)
    _rotate_key(region)
    issue(region, root)


def revoke(
    serial: Annotated[str, typer.Argument(help="The certificate's serial number, hex: `lumen pki show`.")],
    root: RootFolder,
    reason: Reason = "superseded",
    since: Annotated[
        str | None, typer.Option("--since", help="From when on its key was somebody else's too: 2026-01-31T12:00:00Z.")
    ] = None,
) -> None:
    """Revoke a certificate; the new list goes into this home if it is under this root."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.pki.crl import REASONS

    if reason not in REASONS:
        raise UsageError(f"--reason {reason}: use {', '.join(REASONS)}")
    settings = _settings()
    opened = _open(settings, root)
    opened.revoke(_serial(serial), reason, _now(), None if since is None else _instant(since))
    _hand_on(settings, opened)
    typer.echo(f"{serial}: revoked, list {_number(opened)}")


def crl(root: RootFolder, days: Annotated[int, typer.Option("--days", min=1, max=400)] = 120) -> None:
    """A new revocation list, before the present one ends."""
    settings = _settings()
    opened = _open(settings, root)
    opened.publish(_now(), days=days)
    _hand_on(settings, opened)
    typer.echo(f"list {_number(opened)}, for {days} days")


def ocsp(root: RootFolder) -> None:
    """New OCSP answers, by the responder that the root has delegated to, for every certificate of this home."""
    settings, now = _settings(), _now()
    opened, home = _open(settings, root), _home(settings)
    with home.alone():
        for region in settings.regions:
            certificate = home.certificate(region)
            if certificate is not None and certificate.issuer == opened.certificate.subject:
                home.put(region, certificate, opened.answer(certificate, now))
                typer.echo(f"{region}: {home.ocsp_path(region)}")


def trust(
    root: RootFolder,
    log: Annotated[list[str] | None, typer.Option("--log", help="A log's verifier key; repeatable.")] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", help="A witness: 'VKEY' or 'VKEY URL'; repeatable.")
    ] = None,
    quorum: Annotated[int, typer.Option("--quorum", min=0, help="How many witnesses must have seen a tree.")] = 0,
    policy: Annotated[Path | None, typer.Option("--policy", help="A C2SP tlog-policy instead of these.")] = None,
) -> None:
    """A new trust document: which logs and witnesses count, and how many of these. Logs named before stay."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.tlog.policy import parse_policy, write_policy

    settings = _settings()
    opened = _open(settings, root)
    try:
        if policy is not None:
            text = policy.read_text(encoding="utf-8")
        else:
            known = parse_policy(opened.policy_text()).logs
            logs = {key.name: key for key in (*known, *(parse_vkey(item) for item in log or ()))}
            pairs = [(parse_vkey(words[0]), words[1] if words[1:] else None) for words in map(str.split, witness or ())]
            text = write_policy(list(logs.values()), pairs, quorum)
        opened.publish(_now(), policy=text)
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"the trust document was not made: {error}") from None
    _hand_on(settings, opened)
    typer.echo(opened.policy_text().rstrip("\n"))


def _settings() -> Settings:
    from lumen_workers import config

    return config.load()


def _now() -> datetime:
    return datetime.now(UTC)


def _home(settings: Settings) -> TrustHome:
    from lumen_workers.engine.attesting import trust_home

    return trust_home(settings.home)


def _passphrase(settings: Settings, *, twice: bool = False) -> str:
    from lumen_workers.cli.phrases import phrase

    return phrase("root's passphrase", None, settings.env.ca_pass, "LUMEN_CA_PASS", twice=twice)


def _open(settings: Settings, folder: Path) -> Authority:
    from lumen_workers.trust.pki.authority import KEY, Authority

    path = folder / KEY
    encrypted = path.is_file() and b"ENCRYPTED" in path.read_bytes()
    return Authority.open(folder, _passphrase(settings) if encrypted else None)


def _asked(region: str, request: Path | None) -> tuple[PublicKey, str]:
    """The public key to certify, and the log to name."""
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.pki.upkeep import public_from

    if request is None:
        own = config.load(region=region)
        bootstrap.open_home(own)
        return public_from(bootstrap.signer_of(own).public_pem), bootstrap.log_signer_of(own).key.vkey
    try:
        data: Any = json.loads(request.read_text(encoding="utf-8"))
        if data["region"] != region:
            raise UsageError(f"{request} is of region {data['region']}, not of {region}")
        return public_from(data["public_key_pem"]), parse_vkey(data["log"]).vkey
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{request} is no request of `lumen pki request`: {error}") from None


def _name_log(root: Authority, vkey: str, now: datetime) -> None:
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.tlog.policy import parse_policy

    text = root.policy_text()
    if parse_policy(text).log(parse_vkey(vkey).name) is None:
        root.publish(now, policy=f"log {vkey}\n{text}")


def _target(settings: Settings, output: Path | None) -> TrustHome:
    from lumen_workers.trust.pki.home import TrustHome

    return _home(settings) if output is None else TrustHome(output, output)


def _development(home: TrustHome) -> bool:
    return home.exists and home.development


def _ledger(root: Authority) -> bytes:
    from lumen_workers.trust.pki.authority import LEDGER

    return (root.folder / LEDGER).read_bytes()


def _hand_on(settings: Settings, root: Authority) -> None:
    """Into this home, if it is under this root."""
    home = _home(settings)
    if home.exists and home.root == root.certificate:
        with home.alone():
            home.install(root.trust_file(), _ledger(root))


def _number(root: Authority) -> int:
    from lumen_workers.trust.pki.crl import check_crl

    return check_crl(root.trust_file().crl, root.certificate).number


def _rotate_key(region: str) -> None:
    from lumen_workers import bootstrap, config

    bootstrap.rotate_key(config.load(region=region))


def _serial(text: str) -> int:
    from lumen_workers.domain.errors import UsageError

    try:
        return int(text, 16)
    except ValueError:
        raise UsageError(f"{text!r} is no serial number in hex digits") from None


def _instant(text: str) -> datetime:
    from lumen_workers.domain.errors import UsageError

    try:
        found = datetime.fromisoformat(text)
        aware = found.tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise UsageError(f"{text!r} is no instant with its offset, such as 2026-01-31T12:00:00Z")
    return found
