"""A region's signer key: PKCS#8 PEM, mode 0600. Made at first use it is Ed25519; one for P-256 may be put there."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lumen_workers.domain.errors import ConfigError, EnvironmentFault, NotFound, TokenExpired
from lumen_workers.trust.dsse import PublicKey
from lumen_workers.trust.files import write_once

_MAX_PEM = 64 * 1024

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


class RegionKey:
    """A private key in memory; a ``Signer``."""

    fingerprint: str
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex."""

    public_pem: str
    """SubjectPublicKeyInfo as PEM, with a final newline."""

    def __init__(self, private: PrivateKey) -> None:
        public = private.public_key()
        self._private = private
        self.fingerprint = fingerprint_of(public)
        self.public_pem = pem_of(public)

    @property
    def is_ed25519(self) -> bool:
        """Whether it is an Ed25519 key; else it is one for P-256."""
        return isinstance(self._private, Ed25519PrivateKey)

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``.

        Ed25519 (RFC 8032, no pre-hash): 64 bytes, and the same data give the same bytes. P-256: ECDSA with SHA-256, as
        DER; each time another one.
        """
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        return self._private.sign(data, ECDSA(SHA256()))


def fingerprint_of(public: PublicKey) -> str:
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def pem_of(public: PublicKey) -> str:
    """SubjectPublicKeyInfo as PEM, with a final newline."""
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def check_kind(public: object, where: str) -> PublicKey:
    """``public`` if it is a key of ours. Raises ConfigError, which names ``where``."""
    if isinstance(public, Ed25519PublicKey):
        return public
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return public
    raise ConfigError(f"{where}: it is a key of another kind; an Ed25519 or P-256 key is needed")


def create_key(path: Path, passphrase: str | None = None) -> bool:
    """Make a key at ``path`` (0600, its folder 0700). False: another process was first, and its key stands.

    An empty passphrase is none. Raises EnvironmentFault where the machine does not let us.
    """
    pem = dump_private(Ed25519PrivateKey.generate(), passphrase)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(path.parent.stat().st_mode) & 0o022:
            raise EnvironmentFault(f"others may write to {path.parent}, where keys lie; run: chmod 700 {path.parent}")
        return write_once(path, pem, mode=0o600)
    except OSError as error:
        raise EnvironmentFault(f"cannot make the key {path}: {error.strerror}") from None


def generate(like: RegionKey | None = None) -> PrivateKey:
    """A new private key: of the kind of ``like``, else Ed25519."""
    return Ed25519PrivateKey.generate() if like is None or like.is_ed25519 else generate_private_key(SECP256R1())


def dump_private(private: PrivateKey, passphrase: str | None = None) -> bytes:
    """PKCS#8 PEM, encrypted where there is a passphrase."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def load_key(path: Path, passphrase: str | None = None) -> RegionKey:
    """The region's key at ``path``. Raises what ``load_private`` raises."""
    return RegionKey(load_private(path, passphrase))


def load_ed25519(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """The Ed25519 key at ``path``. Raises what ``load_private`` raises, and ConfigError for one of another kind."""
    private = load_private(path, passphrase)
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"{path} is a key of another kind; an Ed25519 key is needed")
    return private


def load_private(path: Path, passphrase: str | None = None, *, variable: str = "LUMEN_KEY_PASS") -> PrivateKey:
    """Read the private key at ``path``; ``variable`` names where its passphrase comes from.

    Raises NotFound without a file, EnvironmentFault for one that others may read or that cannot be read, TokenExpired
    for a passphrase that is wrong, missing or not needed, ConfigError for what is no key of ours.
    """
    pem = _read_private(path)
    try:
        private = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError:  # the library's word for one of the two: encrypted, or a passphrase given
        if passphrase:
            raise TokenExpired(
                f"{path} is not encrypted although {variable} is set; unset it, or encrypt the key with: "
                f"openssl pkcs8 -topk8 -in {path}"
            ) from None
        raise TokenExpired(f"{path} is encrypted; set {variable} to its passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        if passphrase and b"ENCRYPTED" in pem:
            raise TokenExpired(f"{variable} does not open {path}, or the file is damaged") from None
        raise ConfigError(f"{path} is not a private key in PEM form; restore it from a backup") from None
    if not isinstance(private, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise ConfigError(f"{path} is a key of another kind; an Ed25519 or P-256 key is needed")
    check_kind(private.public_key(), str(path))
    return private


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no key {path}") from None
    except OSError as error:
        raise EnvironmentFault(f"cannot read the key {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise EnvironmentFault(f"others may use the key {path} (mode {mode:04o}); run: chmod 600 {path}")
        return stream.read(_MAX_PEM)
