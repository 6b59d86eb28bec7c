"""Certificates as docs/evidence.md has them: the root, signers, the responder that answers for it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANIZATION: Final = "Lumen System C"
ROOT_NAME: Final = "Lumen Root CA"
DEVELOPMENT_NAME: Final = "Lumen Development Root CA"
IDENTITY: Final = "urn:lumen:region:"

ROOT_DAYS: Final = 3652
SIGNER_DAYS: Final = 180

_SLACK: Final = timedelta(minutes=5)
"""A certificate begins a little before it is made: clocks differ."""


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate's DER, lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def public_bytes(public: Ed25519PublicKey | EllipticCurvePublicKey) -> bytes:
    """DER SubjectPublicKeyInfo: the same for the same key."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der_of(certificate: x509.Certificate) -> bytes:
    """The certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


def named(common: str) -> x509.Name:
    """The subject with that common name, of our organization."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
        ]
    )


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name; empty without one."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def is_development(root: x509.Certificate) -> bool:
    """Whether the root was made up for development."""
    return common_name(root) == DEVELOPMENT_NAME


def make_root(key: EllipticCurvePrivateKey, now: datetime, *, development: bool) -> x509.Certificate:
    """A self-signed root: ten years, path length 1."""
    name = named(DEVELOPMENT_NAME if development else ROOT_NAME)
    builder = _builder(name, name, key.public_key(), now, ROOT_DAYS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(signature=True, authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def make_signer(
    region: str,
    public: Ed25519PublicKey | EllipticCurvePublicKey,
    issuer: x509.Certificate,
    key: EllipticCurvePrivateKey,
    now: datetime,
    days: int = SIGNER_DAYS,
) -> x509.Certificate:
    """A region's signer certificate over its public key."""
    identity = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{IDENTITY}{region}")])
    return (
        _leaf(region, public, issuer, now, days)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(identity, critical=False)
        .sign(key, SHA256())
    )


def make_responder(
    public: EllipticCurvePublicKey,
    issuer: x509.Certificate,
    key: EllipticCurvePrivateKey,
    now: datetime,
    days: int = SIGNER_DAYS,
) -> x509.Certificate:
    """The certificate of an OCSP responder that the root has delegated its answers to (RFC 6960, 4.2.2.2)."""
    return (
        _leaf("Lumen OCSP Responder", public, issuer, now, days)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .sign(key, SHA256())
    )


def identity_of(certificate: x509.Certificate) -> str | None:
    """The one URI of ours that the certificate names as its subject; None where it has none, or more."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    return uris[0] if len(uris) == 1 and uris[0].startswith(IDENTITY) else None


def _leaf(
    name: str,
    public: Ed25519PublicKey | EllipticCurvePublicKey,
    issuer: x509.Certificate,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    aki = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)
    return (
        _builder(named(name), issuer.subject, public, now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signature=True, authority=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(aki, critical=False)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: Ed25519PublicKey | EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    begin = now.astimezone(UTC).replace(microsecond=0) - _SLACK
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _usage(*, signature: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
