"""Revocation lists (RFC 5280): made by the root, read with suspicion."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from lumen_workers.trust.pki.chain import check_form

CRL_DAYS: Final = 120
MAX_DER: Final = 1024**2

REASONS: Final = {
    "unspecified": x509.ReasonFlags.unspecified,
    "key_compromise": x509.ReasonFlags.key_compromise,
    "affiliation_changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation_of_operation": x509.ReasonFlags.cessation_of_operation,
}
"""Why a certificate is revoked."""


class CrlFault(ValueError):
    """The list is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """A revoked certificate. ``invalid_since``: from when on its key must be taken to be somebody else's too."""

    serial: int
    revoked_at: datetime
    reason: str = "unspecified"
    invalid_since: datetime | None = None

    @property
    def since(self) -> datetime:
        """From when on a signature does not count."""
        return self.revoked_at if self.invalid_since is None else min(self.revoked_at, self.invalid_since)


@dataclass(frozen=True, kw_only=True)
class Crl:
    """A list that its root has signed."""

    number: int
    this_update: datetime
    next_update: datetime
    revoked: dict[int, Revocation]


def make_crl(
    root: x509.Certificate,
    key: EllipticCurvePrivateKey,
    *,
    number: int,
    revoked: Sequence[Revocation],
    now: datetime,
    days: int = CRL_DAYS,
) -> bytes:
    """The DER of a list, current for ``days`` from ``now``."""
    begin = now.astimezone(UTC).replace(microsecond=0)
    ski = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(begin)
        .next_update(begin + timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    )
    for item in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(item.serial).revocation_date(item.revoked_at)
        if item.reason != "unspecified":  # RFC 5280 wants that one left out
            entry = entry.add_extension(x509.CRLReason(REASONS[item.reason]), critical=False)
        if item.invalid_since is not None:
            entry = entry.add_extension(x509.InvalidityDate(item.invalid_since.replace(tzinfo=None)), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def check_crl(der: bytes, root: x509.Certificate) -> Crl:
    """The list in ``der`` if ``root`` signed it. Raises CrlFault. Whether it is current is for the caller to say."""
    if not der:
        raise CrlFault("crl_missing", "there is no revocation list")
    if len(der) > MAX_DER:
        raise CrlFault("crl_malformed", "the list is too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_crl(der)
            issuer, begin, end = found.issuer, found.last_update_utc, found.next_update_utc
            numbers = [item.value for item in found.extensions if isinstance(item.value, x509.CRLNumber)]
            revoked = {item.serial_number: _revocation(item) for item in found}
            check_form(der, found.signature)
            partial = any(extension.critical for place in (found, *found) for extension in place.extensions)
    except Exception as error:  # noqa: BLE001  (hostile bytes: the library raises many kinds)
        raise CrlFault("crl_malformed", f"the list cannot be read ({type(error).__name__})") from None
    if issuer != root.subject:
        raise CrlFault("crl_issuer_mismatch", "the list is of another root")
    if not _signed(found, root):
        raise CrlFault("crl_signature_invalid", "the root did not sign the list")
    if not numbers:
        raise CrlFault("crl_number_missing", "the list has no number")
    if partial:  # a delta, or of some certificates only: RFC 5280, 5.2, wants it left alone by whoever does not know it
        raise CrlFault("crl_malformed", "the list has a critical extension: it is not the whole list")
    if end is None:
        raise CrlFault("crl_malformed", "the list does not say when the next one comes")
    return Crl(number=numbers[0].crl_number, this_update=begin, next_update=end, revoked=revoked)


def _signed(found: x509.CertificateRevocationList, root: x509.Certificate) -> bool:
    try:
        return found.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  (an algorithm that does not fit the key)
        return False


def _revocation(item: x509.RevokedCertificate) -> Revocation:
    invalid_since = None
    for extension in item.extensions:
        if isinstance(extension.value, x509.InvalidityDate):
            invalid_since = extension.value.invalidity_date_utc
    return Revocation(serial=item.serial_number, revoked_at=item.revocation_date_utc, invalid_since=invalid_since)
