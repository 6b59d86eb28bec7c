"""OCSP responses (RFC 6960) as files: what a responder that the root has delegated to says of one certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from lumen_workers.trust.pki.crl import REASONS, Revocation

OCSP_DAYS: Final = 30


def make_response(
    certificate: x509.Certificate,
    root: x509.Certificate,
    *,
    responder: x509.Certificate,
    key: EllipticCurvePrivateKey,
    revocation: Revocation | None,
    now: datetime,
    days: int = OCSP_DAYS,
) -> bytes:
    """The DER of a response, current for ``days`` from ``now``. SHA-1 names the certificate, as clients expect."""
    begin = now.astimezone(UTC).replace(microsecond=0)
    reason = None if revocation is None else REASONS[revocation.reason]
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=root,
            algorithm=SHA1(),  # noqa: S303  (it identifies, it protects nothing; RFC 5019 wants it)
            cert_status=ocsp.OCSPCertStatus.GOOD if revocation is None else ocsp.OCSPCertStatus.REVOKED,
            this_update=begin,
            next_update=begin + timedelta(days=days),
            revocation_time=None if revocation is None else revocation.revoked_at,
            revocation_reason=None if reason is x509.ReasonFlags.unspecified else reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        .certificates([responder])
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)
