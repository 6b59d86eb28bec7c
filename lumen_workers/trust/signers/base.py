"""What every signer elsewhere has in common: its public key is known, and nothing it says is taken unchecked."""

from __future__ import annotations

import hashlib
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lumen_workers.domain.errors import CheckFailed
from lumen_workers.trust.dsse import PublicKey, verify_by
from lumen_workers.trust.keys import fingerprint_of


class Device(Protocol):
    """Where the private key is."""

    name: str

    def sign(self, data: bytes) -> bytes:
        """The signature: of a P-256 key over the SHA-256 digest ``data``, as DER; of an Ed25519 key over ``data``."""


class ElsewhereSigner:
    """A ``Signer`` over a device. A P-256 key gets the digest; an Ed25519 key the message, since RFC 8032 has no other.

    (Ed25519ph, which signs a digest, is another algorithm: no DSSE verifier knows it.)
    """

    def __init__(self, device: Device, public: PublicKey) -> None:
        self._device = device
        self._public = public
        self.fingerprint = fingerprint_of(public)
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

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
