"""`lumen pki`: this home's keys and certificates. The commands of a root's operator are in `authority`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import authority, roots
from lumen_workers.cli.output import Json, Region, echo_json

if TYPE_CHECKING:
    from cryptography import x509

    from lumen_workers.config import Settings
    from lumen_workers.trust.pki.home import TrustHome
    from lumen_workers.trust.pki.trust_file import TrustFile

app = typer.Typer(help="Keys, certificates and their fingerprints.", no_args_is_help=True)


@app.command()
def show(region: Region = None, as_json: Json = False) -> None:
    """The root that this home trusts, a region's key and certificate, and where the files lie for other tools.

    Keys are made if there are none yet, and a development root where nobody has installed another. Other machines need
    the key's fingerprint under `peers` in lumen.yaml, and the root's under `roots` if theirs is another one.
    """
    from lumen_workers import bootstrap
    from lumen_workers.domain.errors import TokenExpired
    from lumen_workers.trust.pki.upkeep import open_trust

    settings = _settings(region)
    bootstrap.open_home(settings)
    signer, vkey, now = bootstrap.signer_of(settings), _vkey(settings), datetime.now(UTC)
    problem = ""
    try:
        home, _ = open_trust(
            settings.home / "keys",
            settings.home / "trust",
            region=settings.region,
            signer=signer,
            log_vkey=vkey,
            now=now,
        )
    except TokenExpired as error:
        home, problem = _home(settings), str(error)
        if not home.exists:
            raise
    facts = {"region": settings.region, "fingerprint": signer.fingerprint, **_facts(home, settings.region, vkey)}
    facts["problem"] = problem or None
    if as_json:
        echo_json(facts)
        return
    typer.echo(f"{settings.region}: {signer.fingerprint}")
    root = f"{facts['root_fingerprint']}{' (development root)' if facts['development'] else ''}"
    typer.echo(f"root: {root}")
    if facts["certificate"]:
        typer.echo(f"certificate: {facts['certificate']['serial']}, until {facts['certificate']['not_after'][:10]}")
    if facts["crl_next_update"]:
        typer.echo(f"revocation list: number {facts['crl_number']}, until {facts['crl_next_update'][:10]}")
    typer.echo(f"log: {vkey}")
    for name in ("root", "chain", "crl", "ocsp", "trust_file"):
        typer.echo(f"{name}: {facts[name]}")
    if problem:
        typer.echo(f"not in order: {problem}")


@app.command()
def request(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to carry to the root's operator.")],
    region: Region = None,
) -> None:
    """What a root's operator needs to issue a certificate elsewhere: a PKCS#10 request, which names this home's log."""
    from lumen_workers import bootstrap
    from lumen_workers.trust.pki.request import make_request

    settings = _settings(region)
    bootstrap.open_home(settings)
    output.write_bytes(make_request(settings.region, bootstrap.signer_of(settings), _vkey(settings)))
    typer.echo(f"{output}: the operator runs `lumen pki issue --root DIR --csr {output.name} --output FOLDER`")


@app.command()
def install(
    folder: Annotated[Path, typer.Argument(help="What `lumen pki issue --output` has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Another root than the present one, without a rotation that explains it.")
    ] = False,
) -> None:
    """Take over a trust file and certificates. A root that does not follow the present one is refused."""
    from lumen_workers import bootstrap
    from lumen_workers.trust.pki.ledger import FILE, Ledger

    settings = _settings(None)
    file, certificates = _carried(folder)
    for region in certificates:
        settings.check_region(region)
    bootstrap.open_home(settings)
    home = _home(settings)
    with home.alone():
        home.install(file, Ledger(folder / FILE).whole(), first=replace or roots.gives_way(home))
        for region, certificate in certificates.items():
            answer = folder / "ocsp" / f"{region}.der"
            home.put(region, certificate, answer.read_bytes() if answer.is_file() else None)
    typer.echo(f"root: {home.root_fingerprint}")
    for region, certificate in certificates.items():
        typer.echo(f"{region}: certificate {certificate.serial_number:x}")


@app.command()
def pins(as_json: Json = False) -> None:
    """Whose signatures count here: each region's fingerprints, the present key's first, then those of former ones."""
    from lumen_workers import bootstrap

    found = {name: list(prints) for name, prints in sorted(bootstrap.pins_of(_settings(None)).items())}
    if as_json:
        echo_json(found)
        return
    for name, prints in found.items():
        for number, fingerprint in enumerate(prints):
            typer.echo(f"{name}: {fingerprint}{' (former)' if number else ''}")


@app.command()
def unpin(
    region: Annotated[str, typer.Argument(help="The region.")],
    fingerprint: Annotated[str, typer.Argument(help="A former key's: `lumen pki pins`.")],
) -> None:
    """Let a former key of a region of this home count no longer, whatever it has signed: it fell into other hands."""
    from lumen_workers.trust.pins import Pins

    settings = _settings(None)
    Pins(settings.home / "keys").revoke(settings.check_region(region), fingerprint)
    typer.echo(f"{region}: {fingerprint} counts no longer; take it out of `peers` in the lumen.yaml of other machines")


authority.register(app)


def _carried(folder: Path) -> tuple[TrustFile, dict[str, x509.Certificate]]:
    """The trust file in ``folder``, and the certificates under its root."""
    from lumen_workers.domain.errors import CheckFailed, NotFound, UsageError
    from lumen_workers.trust.pki.authority import TRUST_FILE
    from lumen_workers.trust.pki.certificates import IDENTITY
    from lumen_workers.trust.pki.chain import check_chain, load_certificate
    from lumen_workers.trust.pki.home import load_pem
    from lumen_workers.trust.pki.trust_file import parse_trust_file

    path, chain = folder / TRUST_FILE, folder
    if not path.is_file():
        raise NotFound(f"there is no {path}; `lumen pki issue --output {folder}` writes it")
    try:
        file = parse_trust_file(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    found = {}
    try:
        root = load_certificate(file.root, "root_malformed")
        for chain in sorted((folder / "chain").glob("*.pem")):
            certificate = load_pem(chain)
            if check_chain(certificate, [], root).identity != f"{IDENTITY}{chain.stem}":
                raise ValueError("it is of another region")
            found[chain.stem] = certificate
    except ValueError as error:
        raise CheckFailed(f"{chain}: {error}; get another from the root's operator") from None
    return file, found


def _settings(region: str | None) -> Settings:
    from lumen_workers import config

    settings = config.load()
    return settings if region is None else config.load(region=settings.check_region(region))


def _home(settings: Settings) -> TrustHome:
    from lumen_workers.engine.attesting import trust_home

    return trust_home(settings.home)


def _vkey(settings: Settings) -> str:
    from lumen_workers import bootstrap

    return bootstrap.log_signer_of(settings).key.vkey


def _facts(home: TrustHome, region: str, vkey: str) -> dict[str, Any]:
    from lumen_workers.domain.clock import iso
    from lumen_workers.trust.pki.authority import TRUST_FILE
    from lumen_workers.trust.pki.crl import CrlFault, check_crl
    from lumen_workers.trust.pki.home import CRL, ROOT

    found = home.certificate(region)
    try:
        listed = check_crl(home.trust_file().crl, home.root)
    except CrlFault:
        listed = None  # `problem` says it
    certificate = None
    if found is not None:
        certificate = {
            "serial": f"{found.serial_number:x}",
            "not_before": iso(found.not_valid_before_utc),
            "not_after": iso(found.not_valid_after_utc),
            "revoked": None if listed is None else found.serial_number in listed.revoked,
        }
    return {
        "root_fingerprint": home.root_fingerprint,
        "development": home.development,
        "root": str(home.trust / ROOT),
        "chain": str(home.chain_path(region)),
        "crl": str(home.trust / CRL),
        "ocsp": str(home.ocsp_path(region)),
        "trust_file": str(home.trust / TRUST_FILE),
        "certificate": certificate,
        "root_not_before": iso(home.root.not_valid_before_utc),
        "root_not_after": iso(home.root.not_valid_after_utc),
        "crl_number": None if listed is None else listed.number,
        "crl_next_update": None if listed is None else iso(listed.next_update),
        "log": vkey,
    }
