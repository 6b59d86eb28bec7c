"""Pinned fingerprints: which key a region has, known before anything is verified.

A region's own key is pinned when it is made, in ``<keys>/<region>.pin``: 64 hex digits and a newline, and after a
rotation further such lines, of former keys, whose signatures go on to count until they are revoked. Keys of regions
that live elsewhere are pinned by configuration only: nothing that comes with the evidence can add a pin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault, NotFound
from lumen_workers.domain.ids import check_region
from lumen_workers.trust.files import replace_file, sync_folder, write_once
from lumen_workers.trust.keys import RegionKey, create_key, dump_private, generate, load_key

_FINGERPRINT_RE = re.compile(r"[0-9a-f]{64}")


class Pins:
    """The pins in a keys folder."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def get(self, region: str) -> str | None:
        """The region's present fingerprint. Raises as ``known`` does."""
        return next(iter(self.known(region)), None)

    def known(self, region: str) -> tuple[str, ...]:
        """The region's fingerprints, the present one first. Raises ConfigError, EnvironmentFault for a bad pin."""
        path = self._path(region)
        try:
            text = path.read_bytes().decode("ascii", "replace").strip()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise EnvironmentFault(f"cannot read the pin {path}: {error.strerror}") from None
        return tuple(_checked(line, str(path)) for line in text.split("\n"))

    def pin(self, region: str, fingerprint: str) -> None:
        """Pin at first use; the same again changes nothing. Raises CheckFailed when another key is pinned.

        Only whoever holds the region's private key may call this.
        """
        path = self._path(region)
        _checked(fingerprint, f"region {region}")
        try:
            write_once(path, f"{fingerprint}\n".encode())
        except OSError as error:
            raise EnvironmentFault(f"cannot write the pin {path}: {error.strerror}") from None
        pinned = self.get(region)
        if pinned != fingerprint:
            raise CheckFailed(
                f"key of region {region} changed: pinned {pinned}, found {fingerprint}; "
                f"restore {region}.pem from a backup, or remove {path} if the change is meant"
            )

    def rotate(self, region: str, fingerprint: str) -> None:
        """Put another key first; those before it go on to count. Only whoever holds the private keys may call this."""
        _checked(fingerprint, f"region {region}")
        self._write(region, (fingerprint, *(item for item in self.known(region) if item != fingerprint)))

    def revoke(self, region: str, fingerprint: str) -> None:
        """Let a former key count no longer. Raises CheckFailed for the present one, NotFound for an unknown one."""
        known = self.known(region)
        if known[:1] == (fingerprint,):
            raise CheckFailed(f"{fingerprint} is the present key of region {region}; rotate it first")
        if fingerprint not in known:
            raise NotFound(f"{fingerprint[:80]!r} is not pinned in this home for region {region}; see `lumen pki pins`")
        self._write(region, tuple(item for item in known if item != fingerprint))

    def all(self, peers: Mapping[str, str | tuple[str, ...]] | None = None) -> dict[str, tuple[str, ...]]:
        """Region → fingerprints, the present one first: the local pins and the configured ``peers``.

        Raises ConfigError for a malformed fingerprint, and for a peer that contradicts a local pin.
        """
        found = {path.stem: self.known(path.stem) for path in sorted(self._keys.glob("*.pin"))}
        for region, value in (peers or {}).items():
            given = (value,) if isinstance(value, str) else value
            prints = tuple(_checked(item, f"peers: {check_region(region)}") for item in given)
            if not set(prints) & set(found.setdefault(region, prints)):
                raise ConfigError(f"peers: {region}: {prints[0]} is not the key of this home ({found[region][0]})")
        return found

    def _write(self, region: str, fingerprints: tuple[str, ...]) -> None:
        path = self._path(region)
        try:
            replace_file(path, "".join(f"{item}\n" for item in fingerprints).encode())
        except OSError as error:
            raise EnvironmentFault(f"cannot write the pin {path}: {error.strerror}") from None

    def _path(self, region: str) -> Path:
        return self._keys / f"{check_region(region)}.pin"


def open_signer(keys: Path, region: str, passphrase: str | None = None) -> RegionKey:
    """The region's signer from the folder ``keys``, made and pinned at first use.

    Processes that start at once agree on one key. A lost key is never replaced in silence. Raises CheckFailed when the
    key is not the pinned one or has gone, and what ``load_key`` raises.
    """
    pins = Pins(keys)
    path = keys / f"{check_region(region)}.pem"
    try:
        key = load_key(path, passphrase)
    except NotFound:
        pinned = pins.get(region)
        if pinned is not None and not path.exists():
            raise CheckFailed(
                f"key of region {region} is gone: pinned {pinned}; "
                f"restore {path} from a backup, or remove {region}.pin beside it if a new key is meant"
            ) from None
        create_key(path, passphrase)
        key = load_key(path, passphrase)
    key = _finish(keys, region, key, passphrase)
    pins.pin(region, key.fingerprint)
    return key


def rotate_signer(keys: Path, region: str, passphrase: str | None = None) -> RegionKey:
    """A new key of the same kind for ``region``. Of the old one its public half is kept, in ``archive``.

    Nobody needs more of it again. Where the old key was elsewhere, there is none here, and the new one is Ed25519.
    Processes that run go on with the old key until they are started anew. Raises what ``load_key`` raises.
    """
    path = keys / f"{check_region(region)}.pem"
    old = load_key(path, passphrase) if path.exists() else None
    private = generate(old)
    key = RegionKey(private)
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A crash leaves the old key, pinned first; or the new one pinned, and the next process puts it in its place.
        replace_file(_next(keys, region), dump_private(private, passphrase), mode=0o600)
        if old is not None:
            _archive(keys, region, old)
        Pins(keys).rotate(region, key.fingerprint)
        _next(keys, region).replace(path)
        sync_folder(keys)
    except OSError as error:
        raise EnvironmentFault(f"cannot rotate the key {path}: {error.strerror}") from None
    return key


def retire_signer(keys: Path, region: str, passphrase: str | None = None) -> None:
    """Take the key of a region that signs elsewhere from now on out of the home; its public half is kept.

    Raises what ``load_key`` raises; without a key in the home nothing happens.
    """
    path = keys / f"{check_region(region)}.pem"
    if not path.exists():
        return
    try:
        _archive(keys, region, load_key(path, passphrase))
        path.unlink()
        sync_folder(keys)
    except OSError as error:
        raise EnvironmentFault(f"cannot remove the key {path}: {error.strerror}") from None


def _finish(keys: Path, region: str, key: RegionKey, passphrase: str | None) -> RegionKey:
    """The present key: a rotation that was cut off after its key was pinned is finished, of one under way its end seen.

    Where ``key`` is a former one for another reason, it is returned.
    """
    known, path = Pins(keys).known(region), _next(keys, region)
    if key.fingerprint not in known[1:]:
        return key
    try:
        if load_key(path, passphrase).fingerprint == known[0]:
            path.replace(keys / f"{region}.pem")
            sync_folder(keys)
    except (NotFound, FileNotFoundError):
        pass  # another process was first
    except OSError as error:
        raise EnvironmentFault(f"cannot rotate the key of region {region}: {error.strerror}") from None
    return load_key(keys / f"{region}.pem", passphrase)


def _archive(keys: Path, region: str, key: RegionKey) -> None:
    archive = keys / "archive"
    archive.mkdir(mode=0o700, exist_ok=True)
    write_once(archive / f"{region}-{key.fingerprint[:16]}.pub.pem", key.public_pem.encode())


def _next(keys: Path, region: str) -> Path:
    return keys / f"{region}.next"


def _checked(fingerprint: str, where: str) -> str:
    if not _FINGERPRINT_RE.fullmatch(fingerprint):
        raise ConfigError(f"{where}: {fingerprint[:80]!r} is not a fingerprint: 64 lower-case hex digits")
    return fingerprint
