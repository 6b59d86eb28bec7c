"""What a verification finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from lumen_workers.domain.records import Record


class Reason(StrEnum):
    """Why a snapshot is refused; other programs may rely on these words."""

    SNAPSHOT_MISSING = "snapshot_missing"
    """There is no such folder."""
    FILE_MISSING = "file_missing"
    FILE_EXTRA = "file_extra"
    """Neither listed nor a side file."""
    FILE_UNREADABLE = "file_unreadable"
    SYMLINK = "symlink"
    NOT_A_FILE = "not_a_file"
    """A device, pipe or socket, or a folder where a file belongs."""
    SIZE_MISMATCH = "size_mismatch"
    DIGEST_MISMATCH = "digest_mismatch"
    MANIFEST_MALFORMED = "manifest_malformed"
    MANIFEST_VERSION_UNKNOWN = "manifest_version_unknown"
    ROOT_MISMATCH = "root_mismatch"
    DAY_MISMATCH = "day_mismatch"
    """Another day or revision than the one that was asked for."""
    SEAL_MISMATCH = "seal_mismatch"
    """The frozen seal is not the manifest's."""
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_INVALID = "signature_invalid"
    SIGNER_NOT_PINNED = "signer_not_pinned"
    """No fingerprint is pinned for the region, and its signature is needed."""
    SIGNER_KEY_MISMATCH = "signer_key_mismatch"
    """The region signed with another key than the pinned one."""
    SUMS_MALFORMED = "sums_malformed"
    SUMS_MISMATCH = "sums_mismatch"
    """The checksum file's line (``SHA256SUMS.txt:<path>``) is not what the manifest or the bundle's bytes say."""
    BUNDLE_TRUNCATED = "bundle_truncated"
    BUNDLE_CORRUPT = "bundle_corrupt"
    BUNDLE_TOO_LARGE = "bundle_too_large"
    """It unpacks to more than the manifest says: a bomb, perhaps."""
    BUNDLE_DIGEST_MISMATCH = "bundle_digest_mismatch"
    BUNDLE_MEMBER_MISSING = "bundle_member_missing"
    BUNDLE_MEMBER_EXTRA = "bundle_member_extra"
    BUNDLE_MEMBER_MISMATCH = "bundle_member_mismatch"
    BUNDLE_MEMBER_UNSAFE = "bundle_member_unsafe"
    """A link, a special file, or a path that leads out."""


@dataclass(frozen=True, kw_only=True)
class Fault(Record):
    """One thing that is wrong. ``path`` is relative to the snapshot; a bundle's member is ``<bundle>:<member>``."""

    path: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification(Record):
    """The answer. ``day``, ``revision`` and ``root`` (hex) are None where the manifest could not be read.

    ``root`` was recomputed. ``signed_by`` are the regions with a valid signature by their pinned key,
    ``unpinned`` those whose signature was not looked at since no key is pinned for them; both sorted.
    """

    day: date | None
    revision: int | None
    root: str | None
    faults: tuple[Fault, ...]
    signed_by: tuple[str, ...]
    unpinned: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """``{ok, day, revision, root, faults: [{path, reason}], signed_by}``."""
        return {
            "ok": self.ok,
            "day": None if self.day is None else self.day.isoformat(),
            "revision": self.revision,
            "root": self.root,
            "faults": [{"path": fault.path, "reason": fault.reason.value} for fault in self.faults],
            "signed_by": list(self.signed_by),
        }


def printable(text: str) -> str:
    """``text`` with what is no printable character (control characters, undecodable bytes) escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
