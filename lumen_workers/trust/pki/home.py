"""A home's share of the trust: what its root vouches for, its regions' certificates, and how both stay current.

``<home>/trust`` holds public files only: ``root.pem``, ``trust.json``, ``crl.der``, ``chain/<region>.pem``,
``ocsp/<region>.der``, ``chain_manifest.json`` and ``trust_rotation.jsonl`` (S23). Where nobody has set anything up, a
development root is made beside the keys, and says what it is in every verdict.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault, NotFound, TokenExpired
from lumen_workers.domain.ids import check_region
from lumen_workers.trust.files import replace_file, write_once
from lumen_workers.trust.keys import fingerprint_of
from lumen_workers.trust.pki import certificates, documents
from lumen_workers.trust.pki.authority import TRUST_FILE
from lumen_workers.trust.pki.chain import ChainFault, check_chain, load_certificate
from lumen_workers.trust.pki.crl import CRL_DAYS, Crl, CrlFault, check_crl
from lumen_workers.trust.pki.ledger import FILE as LEDGER
from lumen_workers.trust.pki.trust_file import TrustFile, parse_trust_file
from lumen_workers.trust.tlog.policy import Policy

DEVELOPMENT: Final = "development-root"
ROOT: Final = "root.pem"
CRL: Final = "crl.der"
MANIFEST: Final = "chain_manifest.json"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a home has for one region, checked against its root."""

    root: x509.Certificate
    certificate: x509.Certificate
    crl: Crl
    trust: documents.Trust

    @property
    def policy(self) -> Policy:
        """Logs, witnesses and quorum."""
        return self.trust.policy


class TrustHome:
    """The folders ``keys`` (private) and ``trust`` (public) of a home."""

    def __init__(self, keys: Path, trust: Path) -> None:
        self.keys = keys
        self.trust = trust

    @property
    def exists(self) -> bool:
        """Whether a root has been chosen or made."""
        return (self.trust / ROOT).exists()

    @property
    def root(self) -> x509.Certificate:
        """The root. Raises NotFound, ConfigError."""
        return load_pem(self.trust / ROOT)

    @property
    def root_fingerprint(self) -> str:
        """SHA-256 of the root's DER, hex."""
        return certificates.fingerprint(certificates.der_of(self.root))

    @property
    def development(self) -> bool:
        """Whether the root was made up for development."""
        return certificates.is_development(self.root)

    @property
    def development_root(self) -> Path:
        """Where a development root lies."""
        return self.keys / DEVELOPMENT

    def trust_file(self) -> TrustFile:
        """The trust file. Raises NotFound, ConfigError."""
        path = self.trust / TRUST_FILE
        try:
            return parse_trust_file(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(f"there is no {path}; `lumen pki install` brings it") from None
        except ValueError as error:
            raise ConfigError(f"{path}: {error}; get a new one from the root's operator") from None

    def chain_path(self, region: str) -> Path:
        """Where a region's certificate lies."""
        return self.trust / "chain" / f"{check_region(region)}.pem"

    def ocsp_path(self, region: str) -> Path:
        """Where the OCSP response of a region's certificate lies."""
        return self.trust / "ocsp" / f"{check_region(region)}.der"

    def certificate(self, region: str) -> x509.Certificate | None:
        """A region's certificate. Raises ConfigError."""
        path = self.chain_path(region)
        return load_pem(path) if path.exists() else None

    def certificates(self, region: str, serial: int) -> tuple[bytes, ...]:
        """DER of a region's certificate and what leads from it to the root, without that. Raises NotFound.

        ``serial`` may be that of an earlier one: what was signed before a rotation is handed on with its own.
        """
        found = self.certificate(region)
        if found is None or found.serial_number != serial:
            found = load_pem(self.trust / "archive" / f"{check_region(region)}-{serial:x}.pem")
        return (certificates.der_of(found),)

    def standing(self, region: str, fingerprint: str, now: datetime) -> Standing:
        """Everything that ``region`` signs with, if it is in order at ``now``; ``fingerprint`` is that of its key.

        Raises TokenExpired where something is missing, over or revoked: it says what to do.
        """
        root, file, found = self.root, self.trust_file(), self.certificate(region)
        renew = "`lumen pki issue REGION --root DIR` makes one"
        if found is None:
            raise TokenExpired(f"region {region} has no certificate under the root of this home; {renew}")
        try:
            chain = check_chain(found, [found], root)
            listed = check_crl(file.crl, root)
            trust = documents.read_trust(file.trust, root)
        except (ChainFault, CrlFault, documents.DocumentFault) as error:
            raise TokenExpired(f"{self.trust}: {error} ({error.reason}); install what the root has issued") from None
        if fingerprint_of(chain.public) != fingerprint:
            raise TokenExpired(f"the certificate of region {region} is of another key; {renew}")
        if chain.identity != f"{certificates.IDENTITY}{region}":
            raise TokenExpired(f"{self.chain_path(region)} is of {chain.identity}; {renew}")
        if now < chain.begin:
            begin = f"{chain.begin:%Y-%m-%d %H:%M} UTC"
            raise TokenExpired(f"the certificate of region {region} is not valid before {begin}; look at the clock")
        if now >= chain.end:
            raise TokenExpired(f"the certificate of region {region} ended on {chain.end:%Y-%m-%d}; {renew}")
        if chain.serial in listed.revoked:
            raise TokenExpired(f"the certificate of region {region} is revoked; {renew}")
        if now >= listed.next_update:
            raise TokenExpired(
                f"the revocation list ended on {listed.next_update:%Y-%m-%d}; `lumen pki crl --root DIR` makes another"
            )
        return Standing(root=root, certificate=found, crl=listed, trust=trust)

    def check(self, file: TrustFile, *, first: bool = False) -> None:
        """Whether a trust file may take the place of the present one.

        Raises CheckFailed for one that does not hold, that is older than the present one, or whose root does not follow
        the one that is pinned here; with ``first``, that root does not matter.
        """
        try:
            root = load_certificate(file.root, "root_malformed")
            trust, listed = documents.read_trust(file.trust, root), check_crl(file.crl, root)
            line = [load_certificate(der, "root_malformed") for der in (*file.former_roots, file.root)]
            for (old, new), rotation in zip(pairwise(line), file.rotations, strict=True):
                documents.read_rotation(rotation, old, new)
        except ValueError as error:
            raise CheckFailed(f"the trust file does not hold: {error}; get another from the root's operator") from None
        if first or not self.exists:
            return
        if self.root not in line:
            raise CheckFailed(
                f"{self.trust / ROOT} is another root, and no rotation leads from it to the new one, "
                f"{certificates.fingerprint(file.root)}; if the change is meant, `lumen pki install --replace` takes it"
            )
        if self.root != root:
            return
        version, number = self._present()
        if trust.version < version or listed.number < number:
            raise CheckFailed(
                f"the trust file is older than the present one: version {trust.version} and list {listed.number}, "
                f"here are {version} and {number}; get the newest from the root's operator"
            )

    def install(self, file: TrustFile, ledger: bytes = b"", *, first: bool = False) -> None:
        """Take over a trust file. Raises what ``check`` raises.

        The trust file itself tells whether all the rest was written, and the pinned root changes last.
        """
        self.check(file, first=first)
        root = load_certificate(file.root, "root_malformed")
        self.trust.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(self.trust / CRL, file.crl)
        replace_file(self.trust / MANIFEST, _manifest(root))
        if ledger:
            self.keep_ledger(ledger)
        replace_file(self.trust / TRUST_FILE, file.dump())
        replace_file(self.trust / ROOT, root.public_bytes(Encoding.PEM))

    def _present(self) -> tuple[int, int]:
        """Version and list number of what is here; (0, 0) where a crash has left what the pinned root did not sign."""
        try:
            file = self.trust_file()
            return documents.read_trust(file.trust, self.root).version, check_crl(file.crl, self.root).number
        except (NotFound, ConfigError, documents.DocumentFault, CrlFault):
            return 0, 0

    def keep_ledger(self, ledger: bytes) -> None:
        """Keep a copy of the root's ledger, unless it is there. Raises OSError."""
        path = self.trust / LEDGER
        if not path.exists() or path.read_bytes() != ledger:
            replace_file(path, ledger)

    def put(self, region: str, certificate: x509.Certificate, response: bytes | None) -> None:
        """Keep a region's certificate, and what the responder says of it; an earlier one goes to the archive."""
        place = self.chain_path(region)
        place.parent.mkdir(parents=True, exist_ok=True)
        before = self.certificate(region)
        if before is not None and before != certificate:
            old = self.trust / "archive" / f"{region}-{before.serial_number:x}.pem"
            old.parent.mkdir(exist_ok=True)
            write_once(old, before.public_bytes(Encoding.PEM))
        if response is not None:
            self.ocsp_path(region).parent.mkdir(exist_ok=True)
            replace_file(self.ocsp_path(region), response)
        replace_file(place, certificate.public_bytes(Encoding.PEM))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process at a time changes what is here."""
        try:
            self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.keys / ".trust.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentFault(f"cannot work in {self.keys}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise EnvironmentFault(f"cannot write below {self.trust}: {error.strerror or error}") from None
        finally:
            os.close(descriptor)


def load_pem(path: Path) -> x509.Certificate:
    """The certificate at ``path``. Raises NotFound, ConfigError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"there is no {path}") from None
    except (OSError, ValueError):
        raise ConfigError(f"{path} is no certificate; get a new one from the root's operator") from None


def _manifest(root: x509.Certificate) -> bytes:
    data = {
        "root_subject": root.subject.rfc4514_string(),
        "root_fingerprint_sha256": certificates.fingerprint(certificates.der_of(root)),
        "policy": {
            "signer_valid_days": certificates.SIGNER_DAYS,
            "key_rotation": "quarterly",
            "allowed_eku": ["codeSigning"],
            "crl": {"file": CRL, "days": CRL_DAYS},
        },
    }
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
