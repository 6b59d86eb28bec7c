"""Requests for a certificate (PKCS#10, RFC 2986): a region's public key and its log's, signed with that very key.

They are put together here because a signer may be elsewhere: all it has to do is sign. Other tools read them
(``openssl req -verify``) and write them; theirs name no log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from cryptography.x509.oid import AttributeOID, NameOID, SignatureAlgorithmOID

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import check_region
from lumen_workers.domain.ports import Signer
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.notes import parse_vkey
from lumen_workers.trust.pki.certificates import named, public_bytes

MAX_BYTES: Final = 16 * 1024


@asn1.sequence
class _Attribute:
    oid: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.IA5String]


@asn1.sequence
class _Info:
    version: int
    subject: asn1.TLV
    key: asn1.TLV
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier


@asn1.sequence
class _Signed:
    info: _Info
    algorithm: _Algorithm
    signature: asn1.BitString


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for. ``log``: the verifier key of the log that is to be named, where the request has one."""

    region: str
    public: PublicKey
    log: str | None


def make_request(region: str, signer: Signer, log_vkey: str) -> bytes:
    """The request as PEM; ``log_vkey`` is its ``unstructuredName`` (RFC 2985). Raises what the signer raises."""
    public = load_pem_public_key(signer.public_pem.encode())
    if not isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey):
        raise ValueError("the key is neither Ed25519 nor P-256")
    name = _Attribute(oid=AttributeOID.UNSTRUCTURED_NAME, values=asn1.SetOf([asn1.IA5String(log_vkey)]))
    info = _Info(
        version=0,
        subject=asn1.decode_der(asn1.TLV, named(region).public_bytes()),
        key=asn1.decode_der(asn1.TLV, public_bytes(public)),
        attributes=asn1.SetOf([name]),
    )
    ed25519 = isinstance(public, Ed25519PublicKey)
    algorithm = SignatureAlgorithmOID.ED25519 if ed25519 else SignatureAlgorithmOID.ECDSA_WITH_SHA256
    signature = asn1.BitString(data=signer.sign(asn1.encode_der(info)), padding_bits=0)
    der = asn1.encode_der(_Signed(info=info, algorithm=_Algorithm(oid=algorithm), signature=signature))
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)


def read_request(data: bytes) -> Request:
    """What a request (PEM or DER) asks for; its common name is the region.

    Raises ValueError for one that cannot be read, or that its own key did not sign.
    """
    if len(data) > MAX_BYTES:
        raise ValueError("it is too large")
    try:
        pem = b"-----BEGIN" in data
        found = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        public, held = found.public_key(), found.is_signature_valid
        regions = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [item for item in found.attributes if item.oid == AttributeOID.UNSTRUCTURED_NAME]
    except Exception as error:  # noqa: BLE001  (it came from elsewhere: the library raises many kinds)
        raise ValueError(f"it cannot be read as a PKCS#10 request ({type(error).__name__})") from None
    if not held:
        raise ValueError("it is not signed with the key that it has")
    if not isinstance(public, Ed25519PublicKey) and not (
        isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1)
    ):
        raise ValueError("its key is neither Ed25519 nor P-256")
    if len(regions) != 1 or len(names) > 1:
        raise ValueError("its common name is not one region, or it names more than one log")
    try:
        region = check_region(str(regions[0].value))
    except UsageError as error:
        raise ValueError(f"its common name is no {error}") from None
    log = parse_vkey(names[0].value.decode("ascii")).vkey if names else None
    return Request(region=region, public=public, log=log)
