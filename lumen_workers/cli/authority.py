"""`lumen pki`, the commands of a root's operator: they need the root's folder, and no worker ever does."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from lumen_workers.cli import roots

if TYPE_CHECKING:
    from cryptography import x509

    from lumen_workers.config import Settings
    from lumen_workers.trust.dsse import PublicKey
    from lumen_workers.trust.pki.authority import Authority

RootFolder = Annotated[Path, typer.Option("--root", help="The root's folder.")]
Reason = Annotated[str, typer.Option("--reason", help="superseded, key_compromise, cessation_of_operation …")]
Output = Annotated[
    Path | None, typer.Option("--output", "--out", "-o", help="A folder to carry to the home, instead of this home.")
]

SIGNER_DAYS: Final = 180


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
    from lumen_workers.domain.errors import EnvironmentFault, UsageError
    from lumen_workers.trust.pki.authority import Authority, check_empty

    settings = roots.load_settings()
    if folder.resolve().is_relative_to(settings.home.resolve()):
        raise UsageError(f"{folder} lies in the home {settings.home}, where workers are; choose another place")
    try:
        check_empty(folder)
    except OSError as error:
        raise EnvironmentFault(f"cannot look into {folder}: {error.strerror}") from None
    secret = None if no_passphrase else roots.passphrase(settings, twice=True)
    made = Authority.create(folder, secret, roots.now())
    typer.echo(f"{folder}: root {made.fingerprint}")
    typer.echo("Print this fingerprint and hand it to whoever verifies; keep the folder offline.")


def issue(
    root: RootFolder,
    region: Annotated[
        str | None, typer.Argument(help="The region to sign for, of this home; a request names its own.")
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option("--csr", "--request", help="What `lumen pki request` has written elsewhere, or another PKCS#10."),
    ] = None,
    output: Output = None,
    log: Annotated[
        str | None, typer.Option("--log", help="The log to name, if the request of another tool does not.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=180, help="How long it is valid.")] = 180,
) -> None:
    """Issue a signer certificate, and see to it that the home's log is named; into this home, or a folder for one."""
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.pki.home import TrustHome

    settings = roots.load_settings()
    if (request is None) != (output is None):
        raise UsageError("--csr and --output go together: for a home on another machine")
    region, public, vkey = _asked(region, request, log)
    opened = roots.open_root(settings, root)
    home = roots.home_of(settings) if output is None else TrustHome(output, output)
    first = output is not None or roots.gives_way(home)
    home.check(opened.trust_file(), first=first)
    _name_log(opened, vkey, request)
    certificate = roots.issue_into(home, opened, region, public, days=days, first=first)
    where = f"{output}; the home runs `lumen pki install {output.name}`" if output else home.chain_path(region)
    _say_issued(region, certificate)
    typer.echo(f"written to {where}")


def rotate(
    root: RootFolder,
    region: Annotated[str | None, typer.Argument(help="The region whose key is made anew.")] = None,
    new_root: Annotated[
        Path | None, typer.Option("--new-root", help="Instead of a region: the root that follows this one.")
    ] = None,
    reason: Reason = "superseded",
) -> None:
    """A new key and certificate for a region of this home; or a new root, by a document that both roots sign.

    Of a region's old key the public half is kept: what it signed goes on to count, and nobody can sign with it again.
    With a new root, this home's certificates are issued anew under it, for the same keys.
    """
    from lumen_workers.domain.errors import UsageError

    if (region is None) == (new_root is None):
        raise UsageError("give a region, or --new-root DIR")
    settings = roots.load_settings()
    if region is not None:
        settings.check_region(region)
    opened = roots.open_root(settings, root)
    if region is not None:
        _rotate_region(settings, opened, region)
    else:
        assert new_root is not None
        _rotate_root(settings, opened, roots.open_root(settings, new_root), reason)


def _rotate_region(settings: Settings, opened: Authority, region: str) -> None:
    from lumen_workers import bootstrap, config
    from lumen_workers.trust.pki.upkeep import public_from

    own, home = config.load(region=region), roots.home_of(settings)
    first = roots.gives_way(home)
    # A key that has no certificate signs nothing: what can be refused is, before there is a new one.
    home.check(opened.trust_file(), first=first)
    bootstrap.open_home(own)
    roots.name_log(opened, bootstrap.log_signer_of(own).key.vkey)
    signer = bootstrap.rotate_key(own)
    certificate = roots.issue_into(home, opened, region, public_from(signer.public_pem), days=SIGNER_DAYS, first=first)
    _say_issued(region, certificate)
    typer.echo("restart the workers of this region: they sign with the old key until then")


def _rotate_root(settings: Settings, opened: Authority, following: Authority, reason: str) -> None:
    home = roots.home_of(settings)
    here = home.exists and home.root == opened.certificate
    certificates = roots.issued_here(settings, opened) if here else {}
    following.follow(opened, roots.now(), reason)
    typer.echo(f"{following.fingerprint} follows {opened.fingerprint}")
    for region, before in certificates.items():
        public: Any = before.public_key()
        _say_issued(region, roots.issue_into(home, following, region, public, days=SIGNER_DAYS, first=False))
    typer.echo("issue the certificates of other homes under it, and hand its fingerprint on")


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
    from lumen_workers.trust.pki.upkeep import refresh_ocsp

    if reason not in REASONS:
        raise UsageError(f"--reason {reason}: use {', '.join(REASONS)}")
    settings, number = roots.load_settings(), _serial(serial)
    moment = None if since is None else _instant(since)
    opened = roots.open_root(settings, root)
    opened.revoke(number, reason, roots.now(), moment)
    if roots.hand_on(settings, opened):
        home = roots.home_of(settings)
        for region, certificate in roots.issued_here(settings, opened).items():
            if certificate.serial_number == number:
                with home.alone():
                    refresh_ocsp(home, opened, region, roots.now(), anew=True)
    typer.echo(f"{serial}: revoked, list {_number(opened)}")


def crl(root: RootFolder, days: Annotated[int, typer.Option("--days", min=1, max=400)] = 120) -> None:
    """A new revocation list, before the present one ends; into this home too if it is under this root."""
    settings = roots.load_settings()
    opened = roots.open_root(settings, root)
    opened.publish(roots.now(), days=days)
    roots.hand_on(settings, opened)
    typer.echo(f"list {_number(opened)}, for {days} days")


def ocsp(root: RootFolder, output: Output = None) -> None:
    """New OCSP answers, by the responder that the root has delegated to, for every certificate of this home.

    With --output for each region's newest certificate, with all else that a home elsewhere takes over.
    """
    from lumen_workers.domain.errors import NotFound
    from lumen_workers.trust.pki.home import TrustHome

    settings = roots.load_settings()
    opened = roots.open_root(settings, root)
    if output is None:
        home, certificates = roots.home_of(settings), roots.issued_here(settings, opened)
    else:
        home, certificates = TrustHome(output, output), opened.serving(roots.now())
    if not certificates:
        whose = "this home has" if output is None else "nobody has"
        raise NotFound(f"{whose} no certificate of the root in {root} that counts; `lumen pki issue` makes one")
    with home.alone():
        if output is not None:
            home.install(opened.trust_file(), opened.ledger.whole(), first=True)
        for region, certificate in certificates.items():
            home.put(region, certificate, opened.answer(certificate, roots.now()))
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

    settings = roots.load_settings()
    opened = roots.open_root(settings, root)
    if policy is not None and (log or witness or quorum):
        raise UsageError("--policy says all of it; leave --log, --witness and --quorum out")
    try:
        if policy is not None:
            text = policy.read_text(encoding="utf-8")
        else:
            known = parse_policy(opened.policy_text()).logs
            logs = {key.name: key for key in (*known, *(parse_vkey(item) for item in log or ()))}
            pairs = [(parse_vkey(words[0]), words[1] if words[1:] else None) for words in map(str.split, witness or ())]
            text = write_policy(list(logs.values()), pairs, quorum)
        opened.publish(roots.now(), policy=text)
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"the trust document was not made: {error}") from None
    roots.hand_on(settings, opened)
    typer.echo(opened.policy_text().rstrip("\n"))


def _asked(region: str | None, request: Path | None, log: str | None) -> tuple[str, PublicKey, str | None]:
    """Region and public key to certify, and the log to name."""
    from lumen_workers import bootstrap, config
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.notes import parse_vkey
    from lumen_workers.trust.pki.request import read_request
    from lumen_workers.trust.pki.upkeep import public_from

    if request is None:
        if region is None:
            raise UsageError(
                "give a region of this home, or --csr FILE, what `lumen pki request` has written elsewhere"
            )
        own = config.load(region=roots.load_settings().check_region(region))
        bootstrap.open_home(own)
        return region, public_from(bootstrap.signer_of(own).public_pem), log or bootstrap.log_signer_of(own).key.vkey
    try:
        found = read_request(request.read_bytes())
        named = found.log if log is None else parse_vkey(log).vkey
    except (OSError, ValueError) as error:
        raise UsageError(f"{request} is no request of `lumen pki request`: {error}") from None
    if region not in (None, found.region):
        raise UsageError(f"{request} is of region {found.region}, not of {region}")
    return found.region, found.public, named


def _name_log(root: Authority, vkey: str | None, request: Path | None) -> None:
    from lumen_workers.domain.errors import UsageError
    from lumen_workers.trust.tlog.policy import parse_policy

    if vkey is not None:
        roots.name_log(root, vkey)
    elif not parse_policy(root.policy_text()).logs:
        raise UsageError(f"{request} names no log; give --log, what `lumen log key` prints there")


def _say_issued(region: str, certificate: x509.Certificate) -> None:
    typer.echo(f"{region}: certificate {certificate.serial_number:x}, until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _number(root: Authority) -> int:
    from lumen_workers.trust.pki.crl import check_crl

    return check_crl(root.trust_file().crl, root.certificate).number


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
