"""Whether a certificate leads to a root: cryptography's path validation, and what it does not look at."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.pki.certificates import identity_of

MAX_DER: Final = 16 * 1024


T = TypeVar("T", bound=x509.ExtensionType)


class ChainFault(ValueError):
    """The certificate is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A signer whose certificate leads to the root. ``path`` is the certificates, the signer's first."""

    public: PublicKey
    identity: str
    path: tuple[x509.Certificate, ...]

    @property
    def serial(self) -> int:
        """The serial number of the signer's certificate."""
        return self.path[0].serial_number

    @property
    def begin(self) -> datetime:
        """From when on every certificate of the path is valid."""
        return max(certificate.not_valid_before_utc for certificate in self.path)

    @property
    def end(self) -> datetime:
        """Until when."""
        return min(certificate.not_valid_after_utc for certificate in self.path)


def check_form(der: bytes, signature: bytes) -> None:
    """The bit string that ends a certificate's or a list's DER has no unused bits. Raises ValueError.

    Nothing signs how many there are, and the library does not look: without this, the same thing has two forms.
    """
    if not der.endswith(b"\x00" + signature):
        raise ValueError("the signature's bits are not whole bytes")


def load_certificate(der: bytes, reason: str = "chain_malformed") -> x509.Certificate:
    """A certificate from its DER. Raises ChainFault."""
    if len(der) > MAX_DER:
        raise ChainFault(reason, "a certificate is too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's, about forms that it will refuse one day
            certificate = x509.load_der_x509_certificate(der)
            _ = (certificate.extensions, certificate.subject, certificate.issuer, certificate.public_key())
            _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.serial_number)
            check_form(der, certificate.signature)
    except Exception as error:  # noqa: BLE001  (hostile bytes: the library raises many kinds)
        raise ChainFault(reason, f"a certificate cannot be read ({type(error).__name__})") from None
    return certificate


def check_chain(leaf: x509.Certificate, pool: Sequence[x509.Certificate], root: x509.Certificate) -> Chain:
    """The signer ``leaf`` under ``root``, over intermediates of ``pool``, as of its own ``notBefore``.

    Raises ChainFault. Whether the time has passed, and revocation, are other checks.
    """
    public = leaf.public_key()
    if not _allowed(public):
        raise ChainFault("key_algorithm_not_allowed", "the signer's key is neither Ed25519 nor P-256")
    assert isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey)
    _check_extensions(leaf)
    identity = identity_of(leaf)
    if identity is None:
        raise ChainFault("identity_missing", "the certificate does not name one region")
    for certificate in pool:
        if certificate.subject == leaf.issuer and certificate != leaf and not _is_authority(certificate):
            raise ChainFault("issuer_not_ca", "the certificate was issued by one that is no authority")
    return Chain(public=public, identity=identity, path=_path(leaf, pool, root))


def _path(
    leaf: x509.Certificate, pool: Sequence[x509.Certificate], root: x509.Certificate
) -> tuple[x509.Certificate, ...]:
    authority = ExtensionPolicy.webpki_defaults_ca()
    end = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
        .require_present(x509.KeyUsage, Criticality.CRITICAL, None)
        .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _is_code_signing)
    )
    try:
        builder = PolicyBuilder().store(Store([root])).time(leaf.not_valid_before_utc).max_chain_depth(2)
        verifier = builder.extension_policies(ca_policy=authority, ee_policy=end).build_client_verifier()
        found = verifier.verify(leaf, [item for item in pool if item not in (leaf, root)])
    except VerificationError as error:
        raise ChainFault("chain_untrusted", f"the certificate does not lead to the root: {error}") from None
    except Exception as error:  # noqa: BLE001  (hostile bytes: the library raises many kinds)
        raise ChainFault("chain_malformed", f"the chain cannot be read ({type(error).__name__})") from None
    if found.chain[-1] != root:
        raise ChainFault("chain_untrusted", "the certificate leads to another root")
    return tuple(found.chain)


def _is_code_signing(
    policy: Policy,  # noqa: ARG001
    certificate: x509.Certificate,  # noqa: ARG001
    usage: x509.ExtendedKeyUsage | None,
) -> None:
    if usage is None or ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise ValueError("the certificate is not for signing code")


def _check_extensions(leaf: x509.Certificate) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise ChainFault("signer_is_ca", "the signer's certificate is an authority's")
    if constraints is None or not constraints.critical:
        raise ChainFault("chain_malformed", "the signer's certificate lacks critical basicConstraints")
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.critical or not _signs_only(usage.value):
        raise ChainFault("key_usage_wrong", "the signer's key is not for signatures only")
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is None or list(extended.value) != [ExtendedKeyUsageOID.CODE_SIGNING]:
        raise ChainFault("eku_missing", "the signer's certificate is not for signing code, or not for it alone")


def _signs_only(usage: x509.KeyUsage) -> bool:
    others = (
        usage.content_commitment,
        usage.key_encipherment,
        usage.data_encipherment,
        usage.key_agreement,
        usage.key_cert_sign,
        usage.crl_sign,
    )
    return usage.digital_signature and not any(others)


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def _extension(certificate: x509.Certificate, kind: type[T]) -> x509.Extension[T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _allowed(public: object) -> bool:
    return isinstance(public, Ed25519PublicKey) or (
        isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)
    )
