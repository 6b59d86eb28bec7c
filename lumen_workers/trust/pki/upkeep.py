"""How a home's trust stays in order: what a development root makes by itself, and what a real one is asked for."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lumen_workers.domain.errors import ConfigError, TokenExpired
from lumen_workers.domain.ports import Signer
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.files import replace_file
from lumen_workers.trust.keys import check_kind, fingerprint_of
from lumen_workers.trust.notes import parse_vkey
from lumen_workers.trust.pki import certificates, documents
from lumen_workers.trust.pki.authority import RENEW, TRUST_FILE, Authority
from lumen_workers.trust.pki.chain import load_certificate
from lumen_workers.trust.pki.crl import check_crl
from lumen_workers.trust.pki.home import ROOT, Standing, TrustHome


def open_trust(
    keys: Path, trust: Path, *, region: str, signer: Signer, log_vkey: str | None, now: datetime
) -> tuple[TrustHome, Standing]:
    """The home's trust, in order for ``region`` and its log at ``now``.

    A development root makes what is missing, and renews in time. With a root of its operator's nothing is made up:
    raises TokenExpired, naming the command that mends it.
    """
    home = TrustHome(keys, trust)
    if not home.exists or home.development:
        with home.alone():
            if not home.exists or home.development:
                _develop(home, region, signer, log_vkey, now)
    standing = home.standing(region, signer.fingerprint, now)
    if log_vkey is not None and standing.policy.log(parse_vkey(log_vkey).name) is None:
        raise TokenExpired(
            f"the trust document does not name this home's log; `lumen pki trust --root DIR --log {log_vkey}` adds it"
        )
    return home, standing


def ensure_root(home: TrustHome, now: datetime) -> None:
    """A root, if the home has none yet: one for development."""
    if not home.exists:
        with home.alone():
            if not home.exists:
                _make_root(home, now)


def _make_root(home: TrustHome, now: datetime) -> None:
    folder = home.development_root
    _check_never_real(home)
    if not (folder / TRUST_FILE).exists():
        shutil.rmtree(folder, ignore_errors=True)  # what a crash has left half made has issued nothing
        Authority.create(folder, None, now, development=True)
    root = Authority.open(folder, None)
    home.install(root.trust_file(), root.ledger.whole(), first=True)


def _check_never_real(home: TrustHome) -> None:
    """Raises TokenExpired where a root of an operator's was here: one for development must not take its place."""
    if not (home.trust / TRUST_FILE).exists():
        return
    former = load_certificate(home.trust_file().root, "root_malformed")
    if not certificates.is_development(former):
        raise TokenExpired(
            f"{home.trust / ROOT} is gone, or its installation was cut off; run `lumen pki install FOLDER` again "
            f"(root {certificates.fingerprint(certificates.der_of(former))})"
        )


def _develop(home: TrustHome, region: str, signer: Signer, log_vkey: str | None, now: datetime) -> None:
    """What a development root makes by itself."""
    folder = home.development_root
    if not home.exists:
        _make_root(home, now)
    if not folder.exists():
        return  # another home's development root was installed here
    root = Authority.open(folder, None)
    file = root.trust_file()
    trust = documents.read_trust(file.trust, root.certificate)
    listed = check_crl(file.crl, root.certificate)
    text = None
    if log_vkey is not None and trust.policy.log(parse_vkey(log_vkey).name) is None:
        text = f"log {log_vkey}\n{trust.policy_text}"
    if text is not None or listed.next_update - now < RENEW:
        file = root.publish(now, policy=text)
    if home.trust_file() != file:
        home.install(file, root.ledger.whole(), first=True)
    found = home.certificate(region)
    if (
        found is None
        or not root.issued(found)
        or not _serves(found, signer, now)
        or found.serial_number in listed.revoked
    ):
        public = public_from(signer.public_pem)
        home.put(region, root.issue(region, public, now, certificates.SIGNER_DAYS), None)
    refresh_ocsp(home, root, region, now)
    home.keep_ledger(root.ledger.whole())


def refresh_ocsp(home: TrustHome, root: Authority, region: str, now: datetime, *, anew: bool = False) -> None:
    """Write what the root's delegated responder says of a region's certificate, unless that is there and fresh."""
    certificate = home.certificate(region)
    if certificate is None:
        return
    path = home.ocsp_path(region)
    if (
        not anew
        and path.exists()
        and path.stat().st_mtime > home.chain_path(region).stat().st_mtime
        and _fresh(path, now)
    ):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, root.answer(certificate, now))


def _fresh(path: Path, now: datetime) -> bool:
    end = x509.ocsp.load_der_ocsp_response(path.read_bytes()).next_update_utc
    return end is not None and end - now > timedelta(days=10)


def _serves(certificate: x509.Certificate, signer: Signer, now: datetime) -> bool:
    public: Any = certificate.public_key()
    return fingerprint_of(public) == signer.fingerprint and certificate.not_valid_after_utc - now > RENEW


def public_from(pem: str) -> PublicKey:
    """A public key of ours from its PEM. Raises ValueError."""
    try:
        return check_kind(load_pem_public_key(pem.encode()), "the public key")
    except (UnsupportedAlgorithm, ConfigError) as error:
        raise ValueError(str(error)) from None
