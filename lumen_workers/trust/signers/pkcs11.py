"""A signer on a token that speaks PKCS#11: a hardware module, or SoftHSM2. Needs the extra ``pkcs11``."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lumen_workers.domain.errors import ConfigError, NotFound
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.signers.sessions import Token, package, use

_POINT = {"EC": 65, "EC_EDWARDS": 32}


class TokenDevice:
    """The key labelled ``key`` on a token. Nothing limits the time of a call: the library's own limits count."""

    def __init__(self, token: Token, key: str) -> None:
        self.name = f"the token {token.label}"
        self._token, self._key = token, key

    def public(self) -> PublicKey:
        """The key's public half. Raises what ``sign`` raises, and ConfigError for a key of another kind."""
        kind, point = use(self._token, self._read)
        inner = _inner(point, _POINT.get(kind, 0))
        try:
            if kind == "EC" and inner is not None:
                return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), inner)
            if kind == "EC_EDWARDS" and inner is not None:
                return Ed25519PublicKey.from_public_bytes(inner)
        except ValueError:
            pass
        raise ConfigError(f"{self.name}: the key {self._key} is neither P-256 nor Ed25519")

    def sign(self, data: bytes) -> bytes:
        """CKM_ECDSA of a digest, as DER; CKM_EDDSA of a message. Raises what ``sessions.use`` raises, and NotFound."""
        return use(self._token, lambda session: self._sign(session, data))

    def _sign(self, session: Any, data: bytes) -> bytes:
        pkcs11 = package()
        found = self._find(session, pkcs11.ObjectClass.PRIVATE_KEY)
        if found.key_type != pkcs11.KeyType.EC:
            return bytes(found.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
        raw = bytes(found.sign(data, mechanism=pkcs11.Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def _read(self, session: Any) -> tuple[str, bytes]:
        pkcs11 = package()
        found = self._find(session, pkcs11.ObjectClass.PUBLIC_KEY)
        kind = getattr(found.key_type, "name", "")
        return kind, bytes(found[pkcs11.Attribute.EC_POINT]) if kind in _POINT else b""

    def _find(self, session: Any, kind: Any) -> Any:
        pkcs11 = package()
        try:
            return session.get_key(object_class=kind, label=self._key)
        except pkcs11.NoSuchKey:
            raise NotFound(f"{self.name} has no {kind.name.lower().replace('_', ' ')} {self._key}") from None
        except pkcs11.MultipleObjectsReturned:
            raise ConfigError(f"{self.name} has several keys {self._key}; give the one a name of its own") from None


def _inner(point: bytes, length: int) -> bytes | None:
    """A point of ``length`` bytes, whether or not it comes in its DER OCTET STRING."""
    if len(point) == length + 2 and point[:2] == bytes((0x04, length)):
        return point[2:]
    return point if len(point) == length else None
