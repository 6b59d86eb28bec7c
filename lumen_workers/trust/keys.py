"""A region's signer key: Ed25519, PKCS#8 PEM, mode 0600, made at first use."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
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
from lumen_workers.trust.files import write_once

_MAX_PEM = 64 * 1024

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


class RegionKey:
    """A private key in memory; a ``Signer``."""

    fingerprint: str
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex."""

    public_pem: str
    """SubjectPublicKeyInfo as PEM, with a final newline."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        public = private.public_key()
        self._private = private
        self.fingerprint = fingerprint_of(public)
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, data: bytes) -> bytes:
        """Ed25519 signature (RFC 8032, no pre-hash) over ``data``, 64 bytes; the same data give the same bytes."""
        return self._private.sign(data)


def fingerprint_of(public: Ed25519PublicKey | EllipticCurvePublicKey) -> str:
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


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


def dump_private(private: PrivateKey, passphrase: str | None = None) -> bytes:
    """PKCS#8 PEM, encrypted where there is a passphrase."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase:
        encryption = BestAvailableEncryption(passphrase.encode())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def load_key(path: Path, passphrase: str | None = None) -> RegionKey:
    """The region's key at ``path``. Raises what ``load_private`` raises, and ConfigError for what is no Ed25519 key."""
    return RegionKey(load_ed25519(path, passphrase))


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
