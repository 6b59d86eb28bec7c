"""A root in a folder of its operator's: its key, what it has issued and revoked, and what it vouches for now.

``root.key`` (0600) and ``root.pem``; ``trust_rotation.jsonl``, one line for each act, never edited (S23); ``issued``,
the signers' certificates; ``trust.json``, the trust file as it is to be handed on. Nothing here belongs on a worker,
but for a development root.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, NotFound, TokenExpired, UsageError
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.files import replace_file, write_once
from lumen_workers.trust.keys import RegionKey, dump_private, fingerprint_of, load_private
from lumen_workers.trust.pki import certificates, crl, documents
from lumen_workers.trust.pki.ledger import FILE as LEDGER
from lumen_workers.trust.pki.ledger import Ledger
from lumen_workers.trust.pki.ocsp import make_response
from lumen_workers.trust.pki.trust_file import MAX_ROOTS, TrustFile, parse_trust_file

KEY: Final = "root.key"
CERTIFICATE: Final = "root.pem"
TRUST_FILE: Final = "trust.json"
RESPONDER: Final = "ocsp.pem"
RESPONDER_KEY: Final = "ocsp.key"
PASSPHRASE: Final = "LUMEN_CA_PASS"  # noqa: S105  (the name of a variable)

NO_POLICY: Final = "quorum none\n"
RENEW: Final = timedelta(days=30)
"""So long before its end what is issued is issued anew."""


class Authority:
    """An open root. Everything that it does stands in its ledger before it is handed out."""

    def __init__(self, folder: Path, key: EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.folder = folder
        self.certificate = certificate
        self.signer = RegionKey(key)
        self.ledger = Ledger(folder / LEDGER)
        self._key = key

    @classmethod
    def create(cls, folder: Path, passphrase: str | None, now: datetime, *, development: bool = False) -> Self:
        """A new root in ``folder``, which is empty or not there yet. Raises UsageError, EnvironmentFault.

        A folder that a crash has left half made cannot be used: it holds no certificate, or no trust file.
        """
        key = generate_private_key(SECP256R1())
        certificate = certificates.make_root(key, now, development=development)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_empty(folder)
            folder.chmod(0o700)
            if not write_once(folder / KEY, dump_private(key, passphrase), mode=0o600):
                raise UsageError(f"{folder} holds a root already; choose an empty folder")
            write_once(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise EnvironmentFault(f"cannot make a root in {folder}: {error.strerror}") from None
        made = cls(folder, key, certificate)
        with made._alone():
            made.ledger.add("root", now, fingerprint=made.fingerprint, subject=certificate.subject.rfc4514_string())
            made._publish(now, policy=NO_POLICY)
        return made

    @classmethod
    def open(cls, folder: Path, passphrase: str | None) -> Self:
        """The root in ``folder``. Raises NotFound, EnvironmentFault, TokenExpired, ConfigError."""
        try:
            if not (folder / KEY).exists():
                raise NotFound(f"there is no root in {folder}; `lumen pki init-root {folder}` makes one")
            mode = stat.S_IMODE(folder.stat().st_mode)
        except OSError as error:
            raise EnvironmentFault(f"cannot look into {folder}: {error.strerror}") from None
        if mode & 0o077:
            raise EnvironmentFault(f"others may look into {folder}, where a root's key lies; run: chmod 700 {folder}")
        key = load_private(folder / KEY, passphrase, variable=PASSPHRASE)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ConfigError(f"{folder / KEY} is a key of another kind; a P-256 key is needed")
        try:
            certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
        except (OSError, ValueError):
            raise ConfigError(
                f"{folder / CERTIFICATE} cannot be read; restore it from a copy, or if this root was never used, "
                "empty the folder and make another"
            ) from None
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

    def issue(self, region: str, public: PublicKey, now: datetime, days: int) -> x509.Certificate:
        """A signer certificate for a region's key. Raises TokenExpired once the root has ended."""
        self._check_current(now)
        made = certificates.make_signer(region, public, self.certificate, self._key, now, days)
        with self._alone():
            self._note_issued("issued", made, now, region=region, key=fingerprint_of(public))
            place = self._issued_path(f"{made.serial_number:x}")
            place.parent.mkdir(exist_ok=True)
            write_once(place, made.public_bytes(Encoding.PEM))
        return made

    def serving(self, now: datetime) -> dict[str, x509.Certificate]:
        """Region → its newest certificate, unless that has ended or is revoked. Raises ConfigError."""
        revoked = {f"{item.serial:x}" for item in self.revocations()}
        newest = {line["region"]: line["serial"] for line in self.ledger.lines() if line["event"] == "issued"}
        found = {}
        for region, serial in newest.items():
            path = self._issued_path(serial)
            try:
                certificate = x509.load_pem_x509_certificate(path.read_bytes())
            except (OSError, ValueError):
                raise ConfigError(f"{path} cannot be read; restore it from a copy, or issue another") from None
            if serial not in revoked and now < certificate.not_valid_after_utc:
                found[region] = certificate
        return found

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether this root's key signed ``certificate``: roots that follow each other have one name."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def answer(self, certificate: x509.Certificate, now: datetime) -> bytes:
        """What the delegated OCSP responder says of a certificate; its own is made, and renewed, when it is needed."""
        revoked = {item.serial: item for item in self.revocations()}
        with self._alone():
            key, responder = self._responder(revoked, now)
        return make_response(
            certificate,
            self.certificate,
            responder=responder,
            key=key,
            revocation=revoked.get(certificate.serial_number),
            now=now,
        )

    def revocations(self) -> list[crl.Revocation]:
        """What is revoked."""
        return [
            crl.Revocation(
                serial=int(line["serial"], 16),
                revoked_at=datetime.fromisoformat(line["revoked_at"]),
                reason=line["reason"],
                invalid_since=datetime.fromisoformat(line["invalid_since"]) if line.get("invalid_since") else None,
            )
            for line in self.ledger.lines()
            if line["event"] == "revoked"
        ]

    def revoke(self, serial: int, reason: str, now: datetime, invalid_since: datetime | None = None) -> None:
        """Revoke a certificate and publish the list that says so.

        Raises UsageError for a serial of nobody's, and for an ``invalid_since`` that is still to come.
        """
        if invalid_since is not None and invalid_since > now:
            raise UsageError(f"{iso(invalid_since)} is still to come; say since when the key may have been misused")
        with self._alone():
            known = {line["serial"] for line in self.ledger.lines() if line["event"] in ("issued", "delegated")}
            if f"{serial:x}" not in known:
                raise UsageError(
                    f"this root has issued no certificate {serial:x}; `lumen pki show` names those of a home"
                )
            if any(item.serial == serial for item in self.revocations()):
                raise UsageError(f"certificate {serial:x} is revoked already")
            since = None if invalid_since is None else iso(invalid_since)
            at = iso(now.replace(microsecond=0))
            self.ledger.add("revoked", now, serial=f"{serial:x}", reason=reason, revoked_at=at, invalid_since=since)
            self._publish(now)

    def publish(self, now: datetime, *, policy: str | None = None, days: int = crl.CRL_DAYS) -> TrustFile:
        """A new revocation list, and with ``policy`` a new trust document: the trust file as it stands from now on.

        Raises ValueError for a policy that cannot be read, TokenExpired once the root has ended, and ConfigError where
        the ledger knows less than what was published.
        """
        with self._alone():
            return self._publish(now, policy=policy, days=days)

    def trust_file(self) -> TrustFile:
        """What was published last. Raises ConfigError."""
        present = self._present()
        if present is None:
            raise ConfigError(f"{self.folder / TRUST_FILE} is not there; `lumen pki crl --root {self.folder}` makes it")
        return present

    def policy_text(self) -> str:
        """The policy of the newest trust document. Raises ConfigError."""
        return self._trust(self.trust_file()).policy_text

    def follow(self, old: Authority, now: datetime, reason: str) -> TrustFile:
        """Become the root that comes after ``old``: the rotation is signed by both, and the trust file tells of it.

        Raises UsageError for a root that cannot follow that one.
        """
        before = old.trust_file()
        line = (*before.former_roots, before.root)
        with self._alone():
            present = self.trust_file()
            _check_may_follow(line, present, development=old.development)
            if present.former_roots != line:
                rotation = documents.make_rotation(
                    old.certificate, old.signer, self.certificate, self.signer, now=now, reason=reason
                )
                for authority in (old, self):
                    authority.ledger.add("rotated", now, old=old.fingerprint, new=self.fingerprint, reason=reason)
                rotations = (*before.rotations, rotation)
                file = replace(present, former_roots=line, rotations=rotations)
                replace_file(self.folder / TRUST_FILE, file.dump())
            return self._publish(now, policy=old.policy_text())

    def _publish(self, now: datetime, *, policy: str | None = None, days: int = crl.CRL_DAYS) -> TrustFile:
        self._check_current(now)
        lines, revoked, present = self.ledger.lines(), self.revocations(), self._present()
        number = version = 0
        trust = None
        if present is not None:
            trust, version = present.trust, self._trust(present).version
            number = self._check_covers(present, {item.serial for item in revoked})
        if policy is not None or trust is None:
            version = 1 + max(version, sum(line["event"] == "trust" for line in lines))
            trust = documents.make_trust(
                self.certificate,
                self.signer,
                version=version,
                policy=policy or NO_POLICY,
                development=self.development,
                now=now,
            )
            self.ledger.add("trust", now, version=version)
        number = 1 + max(number, sum(line["event"] == "crl" for line in lines))
        made = crl.make_crl(self.certificate, self._key, number=number, revoked=revoked, now=now, days=days)
        self.ledger.add("crl", now, number=number, days=days)
        file = TrustFile(
            root=certificates.der_of(self.certificate),
            former_roots=present.former_roots if present else (),
            rotations=present.rotations if present else (),
            trust=trust,
            crl=made,
        )
        replace_file(self.folder / TRUST_FILE, file.dump())
        return file

    def _check_covers(self, present: TrustFile, revoked: set[int]) -> int:
        """The number of the list that was published last, if nothing that it has is forgotten. Raises ConfigError."""
        try:
            listed = crl.check_crl(present.crl, self.certificate)
        except crl.CrlFault as error:
            raise ConfigError(f"{self.folder / TRUST_FILE}: {error}; restore it from a copy") from None
        if lost := listed.revoked.keys() - revoked:
            raise ConfigError(
                f"{self.ledger.path} does not know that {min(lost):x} is revoked, and list {listed.number} does; "
                "restore it from a newer copy"
            )
        return listed.number

    def _check_current(self, now: datetime) -> None:
        end = self.certificate.not_valid_after_utc
        if now >= end:
            raise TokenExpired(
                f"the root in {self.folder} ended on {end:%Y-%m-%d}; make another with `lumen pki init-root`, and let "
                "it follow with `lumen pki rotate --root DIR --new-root NEW`"
            )

    def _trust(self, file: TrustFile) -> documents.Trust:
        try:
            return documents.read_trust(file.trust, self.certificate)
        except documents.DocumentFault as error:
            raise ConfigError(f"{self.folder / TRUST_FILE}: {error}; restore it from a copy") from None

    def _present(self) -> TrustFile | None:
        try:
            return parse_trust_file((self.folder / TRUST_FILE).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigError(f"{self.folder / TRUST_FILE}: {error}; restore it from a copy") from None

    def _responder(self, revoked: Container[int], now: datetime) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        place, path = self.folder / RESPONDER, self.folder / RESPONDER_KEY
        if place.exists() and path.exists():
            key, found = load_private(path), x509.load_pem_x509_certificate(place.read_bytes())
            if (
                isinstance(key, EllipticCurvePrivateKey)
                and found.public_key() == key.public_key()
                and found.not_valid_after_utc - now >= RENEW
                and found.serial_number not in revoked
            ):
                return key, found
        key = generate_private_key(SECP256R1())
        found = certificates.make_responder(key.public_key(), self.certificate, self._key, now)
        self._note_issued("delegated", found, now)
        replace_file(path, dump_private(key), mode=0o600)
        replace_file(place, found.public_bytes(Encoding.PEM))
        return key, found

    def _issued_path(self, serial: str) -> Path:
        return self.folder / "issued" / f"{serial}.pem"

    def _note_issued(self, event: str, made: x509.Certificate, now: datetime, **more: Any) -> None:
        self.ledger.add(
            event,
            now,
            serial=f"{made.serial_number:x}",
            subject=made.subject.rfc4514_string(),
            not_after=iso(made.not_valid_after_utc),
            **more,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time acts for the root. Raises EnvironmentFault where nothing can be written."""
        try:
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EnvironmentFault(f"cannot write in {self.folder}: {error.strerror}") from None


def check_empty(folder: Path) -> None:
    """Raises UsageError where something is in ``folder``; what a new file system has in it does not count."""
    found = {path.name for path in folder.iterdir()} - {"lost+found"} if folder.is_dir() else set()
    if KEY in found:
        raise UsageError(f"{folder} holds a root already; choose an empty folder")
    if found:
        raise UsageError(f"{folder} is not empty; choose a folder that is, or one that is not there yet")


def _check_may_follow(line: tuple[bytes, ...], present: TrustFile, *, development: bool) -> None:
    """``line``: the roots up to the one that is to be followed."""
    if present.root in line:
        raise UsageError("the new root is the old one, or was there before it; make another with `lumen pki init-root`")
    if present.former_roots not in ((), line):
        raise UsageError("the new root follows another one already; make another with `lumen pki init-root`")
    if len(line) > MAX_ROOTS:
        raise UsageError(f"more than {MAX_ROOTS} roots have followed each other; hand the new fingerprint on by hand")
    if development:
        raise UsageError("no root follows one for development: `lumen pki issue REGION --root DIR` takes its place")
