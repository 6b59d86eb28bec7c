"""DSSE v1.0.2 envelopes: what is signed is the pre-authentication encoding itself, never a hash of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from lumen_workers.domain.ports import Signer

MAX_SIGNATURES: Final = 16

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_BASE64_RE: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


class EnvelopeFault(ValueError):
    """The envelope is refused; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class EnvelopeSignature:
    """A signature. ``keyid`` is a hint: nothing rests on it."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A parsed envelope; nothing is verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    @property
    def signed(self) -> bytes:
        """The bytes that its signatures are over."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: ``DSSEv1 <length> <type> <length> <payload>``, lengths in decimal ASCII."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> dict[str, Any]:
    """The envelope of ``payload``, signed by each of ``signers``."""
    signed = pae(payload_type, payload)
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [
            {"keyid": signer.fingerprint, "sig": base64.b64encode(signer.sign(signed)).decode()} for signer in signers
        ],
    }


def parse_envelope(value: Any) -> Envelope:
    """Read an envelope. Raises EnvelopeFault: ``envelope_malformed`` or ``unknown_field``."""
    fields = _fields(value, {"payload", "payloadType", "signatures"})
    kind, payload, signatures = fields["payloadType"], fields["payload"], fields["signatures"]
    if not isinstance(kind, str) or not isinstance(payload, str) or not isinstance(signatures, list):
        raise EnvelopeFault("envelope_malformed", "payload, payloadType or signatures is of another kind")
    if len(signatures) > MAX_SIGNATURES:
        raise EnvelopeFault("envelope_malformed", f"more than {MAX_SIGNATURES} signatures")
    return Envelope(kind, _decode(payload), tuple(_signature(item) for item in signatures))


def verify_by(public: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``public`` signed ``message``: Ed25519, or ECDSA on P-256 with SHA-256 (DER). Never raises."""
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(signature, message)
        elif isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
            public.verify(signature, message, ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def _signature(value: Any) -> EnvelopeSignature:
    fields = _fields(value, {"keyid", "sig"})
    if not isinstance(fields["keyid"], str) or not isinstance(fields["sig"], str):
        raise EnvelopeFault("envelope_malformed", "a signature's keyid or sig is no text")
    return EnvelopeSignature(fields["keyid"], _decode(fields["sig"]))


def _fields(value: Any, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not names <= value.keys():
        raise EnvelopeFault("envelope_malformed", f"it needs the fields {', '.join(sorted(names))}")
    if more := value.keys() - names:
        raise EnvelopeFault("unknown_field", f"field {sorted(more)[0][:40]!r} is unknown")
    return value


def _decode(text: str) -> bytes:
    """Base64 of either alphabet, padded. Raises EnvelopeFault."""
    if len(text) % 4 or not _BASE64_RE.fullmatch(text):
        raise EnvelopeFault("envelope_malformed", "it is no base64")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeFault("envelope_malformed", "it is no base64") from None
