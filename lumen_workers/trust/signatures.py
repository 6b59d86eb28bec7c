"""Detached signatures (S22): a small JSON file beside what it signs.

``{"alg", "fingerprint", "hash_hex", "public_key_pem", "sig_b64", "signer"}``: Ed25519 (RFC 8032) over the file's exact
bytes, so any other tool can check it too; ``hash_hex`` is their SHA-256, ``signer`` the region. Nothing of it is
believed: the verifier fixes the algorithm, and takes the key only if its fingerprint is the one pinned for the signer.
"""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lumen_workers.domain.ids import check_region
from lumen_workers.domain.ports import Signer
from lumen_workers.trust import canonical
from lumen_workers.trust.keys import fingerprint_of

ALGORITHM: Final = "ed25519"
MAX_BYTES: Final = 16 * 1024
_FIELDS: Final = frozenset({"alg", "fingerprint", "hash_hex", "public_key_pem", "sig_b64", "signer"})


class SignatureState(StrEnum):
    """What a signature is worth."""

    VALID = "valid"
    MALFORMED = "malformed"
    NOT_PINNED = "not_pinned"
    """No fingerprint is pinned for the signer."""
    KEY_MISMATCH = "key_mismatch"
    """Made with another key than the pinned one."""
    INVALID = "invalid"
    """The pinned key did not sign these bytes."""


def sign_bytes(data: bytes, signer: Signer, *, region: str) -> bytes:
    """The signature file over ``data``. The same data and key give the same bytes: signing twice changes nothing."""
    return (
        canonical.dumps(
            {
                "alg": ALGORITHM,
                "fingerprint": signer.fingerprint,
                "hash_hex": hashlib.sha256(data).hexdigest(),
                "public_key_pem": signer.public_pem,
                "sig_b64": base64.b64encode(signer.sign(data)).decode(),
                "signer": check_region(region),
            }
        )
        + b"\n"
    )


def verify(signature: bytes, data: bytes, *, region: str, pinned: str | None) -> SignatureState:
    """Whether the file ``signature`` is ``region``'s over ``data``; ``pinned`` is that region's fingerprint.

    Never raises, whatever the bytes are.
    """
    if pinned is None:
        return SignatureState.NOT_PINNED
    fields = _fields(signature)
    if fields is None or fields["alg"] != ALGORITHM:
        return SignatureState.MALFORMED
    try:
        public = load_pem_public_key(fields["public_key_pem"].encode())
        raw = base64.b64decode(fields["sig_b64"], validate=True)
    except (ValueError, UnsupportedAlgorithm):
        return SignatureState.MALFORMED
    if not isinstance(public, Ed25519PublicKey):
        return SignatureState.MALFORMED
    if fingerprint_of(public) != pinned or fields["fingerprint"] != pinned:
        return SignatureState.KEY_MISMATCH
    if fields["signer"] != region or fields["hash_hex"] != hashlib.sha256(data).hexdigest():
        return SignatureState.INVALID
    try:
        public.verify(raw, data)
    except InvalidSignature:
        return SignatureState.INVALID
    return SignatureState.VALID


def _fields(signature: bytes) -> dict[str, str] | None:
    """The fields, if they are exactly the known ones and all text."""
    if len(signature) > MAX_BYTES:
        return None
    try:
        value = canonical.loads(signature)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        return None
    return value if all(isinstance(item, str) for item in value.values()) else None
