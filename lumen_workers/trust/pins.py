"""Pinned fingerprints: which key a region has, known before anything is verified.

A region's own key is pinned when it is made, in ``<keys>/<region>.pin`` (64 hex digits and a newline). Keys of regions
that live elsewhere are pinned by configuration only: nothing that comes with the evidence can add a pin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lumen_workers.domain.errors import CheckFailed, ConfigError, EnvironmentFault, NotFound
from lumen_workers.domain.ids import check_region
from lumen_workers.trust.files import write_once
from lumen_workers.trust.keys import RegionKey, create_key, load_key

_FINGERPRINT_RE = re.compile(r"[0-9a-f]{64}")


class Pins:
    """The pins in a keys folder."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys

    def get(self, region: str) -> str | None:
        """The region's pinned fingerprint. Raises ConfigError for a damaged pin, EnvironmentFault for an unreadable."""
        path = self._path(region)
        try:
            text = path.read_bytes().decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EnvironmentFault(f"cannot read the pin {path}: {error.strerror}") from None
        return _checked(text, str(path))

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

    def all(self, peers: Mapping[str, str] | None = None) -> dict[str, str]:
        """Region → fingerprint: the local pins and the configured ``peers``.

        Raises ConfigError for a malformed fingerprint, and for a peer that contradicts a local pin.
        """
        found = {}
        for path in sorted(self._keys.glob("*.pin")):
            fingerprint = self.get(path.stem)
            if fingerprint is not None:
                found[path.stem] = fingerprint
        for region, value in (peers or {}).items():
            fingerprint = _checked(value, f"peers: {check_region(region)}")
            if found.setdefault(region, fingerprint) != fingerprint:
                raise ConfigError(f"peers: {region}: {fingerprint} is not the key of this home ({found[region]})")
        return found

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
    pins.pin(region, key.fingerprint)
    return key


def _checked(fingerprint: str, where: str) -> str:
    if not _FINGERPRINT_RE.fullmatch(fingerprint):
        raise ConfigError(f"{where}: {fingerprint[:80]!r} is not a fingerprint: 64 lower-case hex digits")
    return fingerprint
