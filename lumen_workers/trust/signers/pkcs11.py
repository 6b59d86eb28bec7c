"""A signer on a token that speaks PKCS#11: a hardware module, or SoftHSM2. Needs the extra ``pkcs11``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from lumen_workers.domain.errors import ConfigError, DependencyError, NetworkError, NotFound, TokenExpired

if TYPE_CHECKING:
    from lumen_workers.trust.dsse import PublicKey


class TokenDevice:
    """The key labelled ``key`` on the token labelled ``token`` of the library ``module``, opened with ``pin``.

    A session belongs to the process that opened it: a forked child opens its own.
    """

    def __init__(self, module: str, token: str, key: str, pin: str) -> None:
        self.name = f"the token {token}"
        self._module, self._token, self._key, self._pin = module, token, key, pin
        self._session: Any = None
        self._pid = 0

    def public(self) -> PublicKey:
        """The key's public half. Raises what ``sign`` raises, and ConfigError for a key of another kind."""
        pkcs11 = _library()
        found = self._find(pkcs11.constants.ObjectClass.PUBLIC_KEY)
        point = bytes(found[pkcs11.constants.Attribute.EC_POINT])
        if found.key_type == pkcs11.mechanisms.KeyType.EC:
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), _octets(point))
        if found.key_type == pkcs11.mechanisms.KeyType.EC_EDWARDS:
            return Ed25519PublicKey.from_public_bytes(_octets(point))
        raise ConfigError(f"{self.name}: the key {self._key} is neither P-256 nor Ed25519")

    def sign(self, data: bytes) -> bytes:
        """Raises DependencyError, TokenExpired for a refused PIN, NotFound without token or key, NetworkError."""
        pkcs11 = _library()
        found = self._find(pkcs11.constants.ObjectClass.PRIVATE_KEY)
        try:
            if found.key_type == pkcs11.mechanisms.KeyType.EC:
                raw = bytes(found.sign(data, mechanism=pkcs11.Mechanism.ECDSA))
                half = len(raw) // 2
                return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
            return bytes(found.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
        except pkcs11.exceptions.PKCS11Error as error:
            self._session = None
            raise NetworkError(f"{self.name} did not sign: {type(error).__name__}") from None

    def _find(self, kind: Any) -> Any:
        pkcs11 = _library()
        try:
            return self._open().get_key(object_class=kind, label=self._key)
        except pkcs11.exceptions.NoSuchKey:
            raise NotFound(f"{self.name} has no key {self._key}") from None
        except pkcs11.exceptions.MultipleObjectsReturned:
            raise ConfigError(
                f"{self.name} has several keys {self._key}; give the one to use a name of its own"
            ) from None
        except pkcs11.exceptions.PKCS11Error as error:
            self._session = None
            raise NetworkError(f"{self.name} does not answer: {type(error).__name__}") from None

    def _open(self) -> Any:
        pkcs11 = _library()
        if self._session is not None and self._pid == os.getpid():
            return self._session
        try:
            library = pkcs11.lib(self._module)
            if self._pid not in (0, os.getpid()):
                library.reinitialize()
            self._session = library.get_token(token_label=self._token).open(user_pin=self._pin)
        except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLocked, pkcs11.exceptions.PinInvalid) as error:
            raise TokenExpired(f"{self.name} refuses the PIN ({type(error).__name__})") from None
        except pkcs11.exceptions.NoSuchToken:
            raise NotFound(f"there is no token {self._token} behind {self._module}") from None
        except (RuntimeError, OSError) as error:
            raise DependencyError(f"{self._module} cannot be loaded: {error}") from None
        self._pid = os.getpid()
        return self._session


def _library() -> Any:
    try:
        import pkcs11
        import pkcs11.constants
        import pkcs11.exceptions
        import pkcs11.mechanisms
    except ImportError:
        raise DependencyError("PKCS#11 needs a package; install it with: pip install lumen-workers[pkcs11]") from None
    return pkcs11


def _octets(point: bytes) -> bytes:
    """The point inside its DER OCTET STRING."""
    return point[2:] if len(point) > 2 and point[0] == 0x04 and point[1] == len(point) - 2 else point
