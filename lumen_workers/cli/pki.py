"""`lumen pki`: this home's keys and certificates. The commands of a root's operator are in `authority`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lumen_workers.cli import authority
from lumen_workers.cli.output import Json, Region, echo_json

if TYPE_CHECKING:
    from lumen_workers.config import Settings
    from lumen_workers.trust.pki.home import TrustHome

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
    """What a root's operator needs to issue a certificate elsewhere: public keys only."""
    import json

    from lumen_workers import bootstrap

    settings = _settings(region)
    bootstrap.open_home(settings)
    signer = bootstrap.signer_of(settings)
    data = {"region": settings.region, "public_key_pem": signer.public_pem, "log": _vkey(settings)}
    output.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{output}: the operator runs `lumen pki issue {settings.region} --root DIR --request {output.name}`")


@app.command()
def install(
    folder: Annotated[Path, typer.Argument(help="What `lumen pki issue --output` has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Another root than the present one, without a rotation that explains it.")
    ] = False,
) -> None:
    """Take over a trust file and certificates. A root that does not follow the present one is refused."""
    from lumen_workers import bootstrap
    from lumen_workers.domain.errors import NotFound, UsageError
    from lumen_workers.trust.pki.authority import LEDGER, TRUST_FILE
    from lumen_workers.trust.pki.home import load_pem
    from lumen_workers.trust.pki.trust_file import parse_trust_file

    settings = _settings(None)
    path = folder / TRUST_FILE
    if not path.is_file():
        raise NotFound(f"there is no {path}; `lumen pki issue --output {folder}` writes it")
    try:
        file = parse_trust_file(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    bootstrap.open_home(settings)
    home = _home(settings)
    ledger = folder / LEDGER
    with home.alone():
        # A development root gives way to a real one by itself: it has never been anybody's anchor.
        home.install(file, ledger.read_bytes() if ledger.is_file() else b"", first=replace or _gives_way(home))
        for chain in sorted((folder / "chain").glob("*.pem")):
            settings.check_region(chain.stem)
            answer = folder / "ocsp" / f"{chain.stem}.der"
            home.put(chain.stem, load_pem(chain), answer.read_bytes() if answer.is_file() else None)
    typer.echo(f"root: {home.root_fingerprint}")


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


def _gives_way(home: TrustHome) -> bool:
    return home.exists and home.development


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
    from lumen_workers.trust.pki.crl import check_crl
    from lumen_workers.trust.pki.home import CRL, ROOT

    found, listed = home.certificate(region), check_crl(home.trust_file().crl, home.root)
    certificate = None
    if found is not None:
        certificate = {
            "serial": f"{found.serial_number:x}",
            "not_before": iso(found.not_valid_before_utc),
            "not_after": iso(found.not_valid_after_utc),
            "revoked": found.serial_number in listed.revoked,
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
        "crl_number": listed.number,
        "crl_next_update": iso(listed.next_update),
        "log": vkey,
    }
