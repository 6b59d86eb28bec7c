"""What every signer elsewhere has in common: its public key is known, and nothing it says is taken unchecked."""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lumen_workers.domain.errors import CheckFailed
from lumen_workers.trust.dsse import PublicKey, verify_by
from lumen_workers.trust.keys import check_kind, fingerprint_of, pem_of

PROBE: Final = b"\x00lumen signer probe 1\x00"
"""What a signer is asked to sign before its key is pinned. It is no file, envelope, message or note of ours."""


class Device(Protocol):
    """Where the private key is."""

    name: str

    def sign(self, data: bytes) -> bytes:
        """The signature: of a P-256 key over the SHA-256 digest ``data``, as DER; of an Ed25519 key over ``data``."""


class ElsewhereSigner:
    """A ``Signer`` over a device. A P-256 key gets the digest; an Ed25519 key the message, since RFC 8032 has no other.

    (Ed25519ph, which signs a digest, is another algorithm: no DSSE verifier knows it.) Raises ConfigError for a key of
    another kind.
    """

    def __init__(self, device: Device, public: PublicKey) -> None:
        self._device = device
        self._public = check_kind(public, device.name)
        self.fingerprint = fingerprint_of(public)
        self.public_pem = pem_of(public)

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``. Raises CheckFailed for one that the public key does not verify."""
        asked = data if isinstance(self._public, Ed25519PublicKey) else hashlib.sha256(data).digest()
        signature = self._device.sign(asked)
        if not verify_by(self._public, signature, data):
            raise CheckFailed(
                f"{self._device.name} answered with what is no signature of the key {self.fingerprint[:16]}…; "
                "is its public key the one that is configured?"
            )
        return signature
