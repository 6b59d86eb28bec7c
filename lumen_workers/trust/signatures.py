"""Detached signatures (S22): a small JSON file beside what it signs.

``{"alg", "fingerprint", "hash_hex", "public_key_pem", "sig_b64", "signer"}``: Ed25519 (RFC 8032), or ECDSA on P-256
with SHA-256, over the file's exact bytes, so any other tool can check it too; ``hash_hex`` is their SHA-256, ``signer``
the region. ``signer_cert_pem`` and ``root_fingerprint`` are there for other tools, both or neither: the certificate is
believed for nothing here, nor is any other field. The verifier takes the key only if its fingerprint is pinned for the
signer, and the algorithm follows from the key: ``alg`` must agree with it and chooses nothing.
"""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ids import check_region
from lumen_workers.domain.ports import Signer
from lumen_workers.trust import canonical
from lumen_workers.trust.dsse import PublicKey, verify_by
from lumen_workers.trust.keys import check_kind, fingerprint_of

MAX_BYTES: Final = 16 * 1024
_FIELDS: Final = frozenset({"alg", "fingerprint", "hash_hex", "public_key_pem", "sig_b64", "signer"})
_CERTIFIED: Final = _FIELDS | {"root_fingerprint", "signer_cert_pem"}


Pinned = str | tuple[str, ...]
"""A region's pinned fingerprint; or several, where its key was rotated: that of the present key, then former ones."""


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


def sign_bytes(
    data: bytes, signer: Signer, *, region: str, certificate_pem: str | None = None, root_fingerprint: str | None = None
) -> bytes:
    """The signature file over ``data``, with the signer's certificate where there is one.

    With an Ed25519 key the same data give the same bytes: signing twice changes nothing. Raises ConfigError for a key
    of another kind than Ed25519 and P-256, and what the signer raises.
    """
    if (certificate_pem is None) != (root_fingerprint is None):
        raise ValueError("certificate_pem and root_fingerprint go together")
    public = check_kind(load_pem_public_key(signer.public_pem.encode()), f"the key of region {region}")
    fields = {
        "alg": algorithm_of(public),
        "fingerprint": signer.fingerprint,
        "hash_hex": hashlib.sha256(data).hexdigest(),
        "public_key_pem": signer.public_pem,
        "sig_b64": base64.b64encode(signer.sign(data)).decode(),
        "signer": check_region(region),
    }
    if certificate_pem is not None and root_fingerprint is not None:
        fields |= {"signer_cert_pem": certificate_pem, "root_fingerprint": root_fingerprint}
    return canonical.dumps(fields) + b"\n"


def verify(signature: bytes, data: bytes, *, region: str, pinned: Pinned | None) -> SignatureState:
    """Whether the file ``signature`` is ``region``'s over ``data``; ``pinned`` is what is pinned for that region.

    Never raises, whatever the bytes are.
    """
    if pinned is None:
        return SignatureState.NOT_PINNED
    fields = _fields(signature)
    if fields is None:
        return SignatureState.MALFORMED
    try:
        public = check_kind(load_pem_public_key(fields["public_key_pem"].encode()), region)
        raw = base64.b64decode(fields["sig_b64"], validate=True)
    except (ValueError, UnsupportedAlgorithm, ConfigError):
        return SignatureState.MALFORMED
    if fields["alg"] != algorithm_of(public):
        return SignatureState.MALFORMED
    known = fingerprint_of(public)
    if known not in ((pinned,) if isinstance(pinned, str) else pinned) or fields["fingerprint"] != known:
        return SignatureState.KEY_MISMATCH
    if fields["signer"] != region or fields["hash_hex"] != hashlib.sha256(data).hexdigest():
        return SignatureState.INVALID
    return SignatureState.VALID if verify_by(public, raw, data) else SignatureState.INVALID


def algorithm_of(public: PublicKey) -> str:
    """The algorithm that an Ed25519 or P-256 key signs with: it follows from the key alone."""
    return "ed25519" if isinstance(public, Ed25519PublicKey) else "ecdsa-p256-sha256"


def _fields(signature: bytes) -> dict[str, str] | None:
    """The fields, if they are exactly the known ones and all text."""
    if len(signature) > MAX_BYTES:
        return None
    try:
        value = canonical.loads(signature)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.keys() not in (_FIELDS, _CERTIFIED):
        return None
    return value if all(isinstance(item, str) for item in value.values()) else None
