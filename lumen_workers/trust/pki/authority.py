"""A root in a folder of its operator's: its key, what it has issued and revoked, and what it vouches for now.

``root.key`` (0600) and ``root.pem``; ``trust_rotation.jsonl``, one line for each act, never edited (S23);
``trust.json``, the trust file as it is to be handed on. Nothing here belongs on a worker, but for a development root.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, NotFound, UsageError
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.files import replace_file, sync_folder, write_once
from lumen_workers.trust.keys import dump_private, fingerprint_of, load_private
from lumen_workers.trust.pki import certificates, crl, documents
from lumen_workers.trust.pki.ocsp import make_response
from lumen_workers.trust.pki.trust_file import TrustFile, parse_trust_file

KEY: Final = "root.key"
CERTIFICATE: Final = "root.pem"
LEDGER: Final = "trust_rotation.jsonl"
TRUST_FILE: Final = "trust.json"
RESPONDER: Final = "ocsp.pem"
RESPONDER_KEY: Final = "ocsp.key"
PASSPHRASE: Final = "LUMEN_CA_PASS"  # noqa: S105  (the name of a variable)

RENEW: Final = timedelta(days=30)
"""So long before its end what is issued is issued anew."""

Line = Mapping[str, Any]


class RootSigner:
    """The root's key as a ``Signer`` of documents: ECDSA with SHA-256, as DER."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key
        public = key.public_key()
        self.fingerprint = fingerprint_of(public)
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``."""
        return self._key.sign(data, ECDSA(SHA256()))


class Authority:
    """An open root."""

    def __init__(self, folder: Path, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.folder = folder
        self.certificate = certificate
        self.signer = RootSigner(key)
        self._key = key

    @classmethod
    def create(cls, folder: Path, passphrase: str | None, now: datetime, *, development: bool = False) -> Self:
        """A new root in ``folder``. Raises UsageError where one is, EnvironmentFault."""
        key = generate_private_key(SECP256R1())
        certificate = certificates.make_root(key, now, development=development)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            if (folder / CERTIFICATE).exists() or not write_once(
                folder / KEY, dump_private(key, passphrase), mode=0o600
            ):
                raise UsageError(f"{folder} holds a root already; choose an empty folder")
            write_once(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise EnvironmentFault(f"cannot make a root in {folder}: {error.strerror}") from None
        made = cls(folder, key, certificate)
        made._note("root", now, fingerprint=made.fingerprint, subject=certificate.subject.rfc4514_string())
        made.publish(now, policy="quorum none\n")
        return made

    @classmethod
    def open(cls, folder: Path, passphrase: str | None) -> Self:
        """The root in ``folder``. Raises NotFound, EnvironmentFault, TokenExpired, ConfigError."""
        if not (folder / KEY).exists():
            raise NotFound(f"there is no root in {folder}; `lumen pki init-root {folder}` makes one")
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            raise EnvironmentFault(f"others may look into {folder}, where a root's key lies; run: chmod 700 {folder}")
        key = load_private(folder / KEY, passphrase, variable=PASSPHRASE)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ConfigError(f"{folder / KEY} is a key of another kind; a P-256 key is needed")
        try:
            certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
        except (OSError, ValueError):
            raise ConfigError(f"{folder / CERTIFICATE} cannot be read; restore it from a copy") from None
        if certificate.public_key() != key.public_key():
            raise ConfigError(f"{folder}: {CERTIFICATE} is not the certificate of {KEY}; restore both from one copy")
        return cls(folder, key, certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate's DER."""
        return certificates.fingerprint(certificates.der_of(self.certificate))

    @property
    def development(self) -> bool:
        """Whether it was made up for development."""
        return certificates.is_development(self.certificate)

    def ledger(self) -> list[Line]:
        """Every act, oldest first."""
        try:
            text = (self.folder / LEDGER).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def issue(self, region: str, public: PublicKey, now: datetime, days: int) -> x509.Certificate:
        """A signer certificate for a region's key, noted."""
        made = certificates.make_signer(region, public, self.certificate, self._key, now, days)
        self._note_issued("issued", made, now, region=region)
        return made

    def answer(self, certificate: x509.Certificate, now: datetime) -> bytes:
        """What the delegated OCSP responder says of a certificate; its own is made, and renewed, when it is needed."""
        with self._alone():
            key, responder = self._responder(now)
        revoked = {item.serial: item for item in self.revocations()}
        return make_response(
            certificate,
            self.certificate,
            responder=responder,
            key=key,
            revocation=revoked.get(certificate.serial_number),
            now=now,
        )

    def _responder(self, now: datetime) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        path, place = self.folder / RESPONDER_KEY, self.folder / RESPONDER
        if not path.exists():
            write_once(path, dump_private(generate_private_key(SECP256R1())), mode=0o600)
        key = load_private(path)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ConfigError(f"{path} is a key of another kind; remove it, and a new one is made")
        found = x509.load_pem_x509_certificate(place.read_bytes()) if place.exists() else None
        if found is None or found.public_key() != key.public_key() or found.not_valid_after_utc - now < RENEW:
            found = certificates.make_responder(key.public_key(), self.certificate, self._key, now)
            self._note_issued("delegated", found, now)
            replace_file(place, found.public_bytes(Encoding.PEM))
        return key, found

    def revocations(self) -> list[crl.Revocation]:
        """What is revoked."""
        return [
            crl.Revocation(
                serial=int(line["serial"], 16),
                revoked_at=datetime.fromisoformat(line["revoked_at"]),
                reason=line["reason"],
                invalid_since=datetime.fromisoformat(line["invalid_since"]) if line.get("invalid_since") else None,
            )
            for line in self.ledger()
            if line["event"] == "revoked"
        ]

    def revoke(self, serial: int, reason: str, now: datetime, invalid_since: datetime | None = None) -> None:
        """Revoke a certificate and publish the list that says so. Raises UsageError for a serial of nobody's."""
        known = {line["serial"] for line in self.ledger() if line["event"] in ("issued", "delegated")}
        if f"{serial:x}" not in known:
            raise UsageError(f"this root has issued no certificate {serial:x}; `lumen pki show` names those of a home")
        if any(item.serial == serial for item in self.revocations()):
            raise UsageError(f"certificate {serial:x} is revoked already")
        since = None if invalid_since is None else iso(invalid_since)
        at = iso(now.replace(microsecond=0))
        self._note("revoked", now, serial=f"{serial:x}", reason=reason, revoked_at=at, invalid_since=since)
        self.publish(now)

    def publish(self, now: datetime, *, policy: str | None = None, days: int = crl.CRL_DAYS) -> TrustFile:
        """A new revocation list, and with ``policy`` a new trust document: the trust file as it stands from now on."""
        with self._alone():
            lines = self.ledger()
            number = 1 + sum(line["event"] == "crl" for line in lines)
            made = crl.make_crl(
                self.certificate, self._key, number=number, revoked=self.revocations(), now=now, days=days
            )
            self._note("crl", now, number=number, days=days)
            present = self._present()
            trust = present.trust if present is not None else None
            if policy is not None or trust is None:
                version = 1 + sum(line["event"] == "trust" for line in lines)
                trust = documents.make_trust(
                    self.certificate,
                    self.signer,
                    version=version,
                    policy=policy or "quorum none\n",
                    development=self.development,
                    now=now,
                )
                self._note("trust", now, version=version)
            file = TrustFile(
                root=certificates.der_of(self.certificate),
                former_roots=present.former_roots if present else (),
                rotations=present.rotations if present else (),
                trust=trust,
                crl=made,
            )
            replace_file(self.folder / TRUST_FILE, file.dump())
        return file

    def trust_file(self) -> TrustFile:
        """What was published last. Raises ConfigError."""
        present = self._present()
        if present is None:
            raise ConfigError(f"{self.folder / TRUST_FILE} is not there; `lumen pki crl --root {self.folder}` makes it")
        return present

    def policy_text(self) -> str:
        """The policy of the newest trust document."""
        return documents.read_trust(self.trust_file().trust, self.certificate).policy_text

    def follow(self, old: Authority, now: datetime, reason: str) -> TrustFile:
        """Become the root that comes after ``old``: the rotation is signed by both, and the trust file tells of it."""
        before = old.trust_file()
        rotation = documents.make_rotation(
            old.certificate, old.signer, self.certificate, self.signer, now=now, reason=reason
        )
        present = self.trust_file()
        file = TrustFile(
            root=present.root,
            former_roots=(*before.former_roots, before.root),
            rotations=(*before.rotations, rotation),
            trust=present.trust,
            crl=present.crl,
        )
        with self._alone():
            replace_file(self.folder / TRUST_FILE, file.dump())
        for authority in (old, self):
            authority._note("rotated", now, old=old.fingerprint, new=self.fingerprint, reason=reason)
        return self.publish(now, policy=old.policy_text())

    def _present(self) -> TrustFile | None:
        try:
            return parse_trust_file((self.folder / TRUST_FILE).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigError(f"{self.folder / TRUST_FILE}: {error}; restore it from a copy") from None

    def _note_issued(self, event: str, made: x509.Certificate, now: datetime, **more: Any) -> None:
        self._note(
            event,
            now,
            serial=f"{made.serial_number:x}",
            subject=made.subject.rfc4514_string(),
            not_after=iso(made.not_valid_after_utc),
            **more,
        )

    def _note(self, event: str, now: datetime, **data: Any) -> None:
        line = json.dumps({"ts": iso(now), "event": event, **data}, ensure_ascii=False) + "\n"
        with (self.folder / LEDGER).open("ab") as stream:
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self.folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
