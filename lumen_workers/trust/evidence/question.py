"""What a verifier is asked, and how a check says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Protocol

from lumen_workers.trust.evidence.policy import DEFAULT, VerifyPolicy
from lumen_workers.trust.pki.trust_file import TrustFile
from lumen_workers.trust.statement import Said
from lumen_workers.trust.tlog.tree import TileTree

MANIFEST: Final = "snapshot.manifest.json"
"""The subject by which an evidence file is of a day."""


class Fails(Exception):
    """A check's answer is no; ``reason`` is a word of docs/evidence.md."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class Skips(Exception):
    """A check has nothing to look at."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class LogView(Protocol):
    """A log as it is now: a folder, or one that is asked over HTTP."""

    def checkpoint(self) -> bytes | None:
        """The published checkpoint. Raises OSError."""

    def tree(self, size: int) -> TileTree:
        """Its tree at a size."""

    def entry(self, index: int, size: int) -> bytes:
        """An entry. Raises LogFault, OSError."""


SnapshotCheck = Callable[[Path, Said], str]
"""Looks at a day's folder, whose manifest is as attested; returns its Merkle root (hex). Raises Fails."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a verifier knows and wants to know.

    ``roots`` are the pinned fingerprints. Subjects lie in ``folder`` (None: they are not looked at); ``files`` (name
    as seen from the evidence file → path) are those that are asked about, empty: all. ``whole``: it is the folder, a
    day's, that is asked about, and evidence of something that lies in it is none of it. ``day`` is the one that the
    evidence must be of. ``trust_file`` and ``crl`` are newer than the evidence's own; older ones are refused, but a
    trust file that is only ``at_hand`` is then left out. ``log`` is the log now.
    """

    roots: Sequence[str]
    now: datetime
    folder: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    whole: bool = False
    day: date | None = None
    policy: VerifyPolicy = DEFAULT
    trust_file: TrustFile | None = None
    at_hand: bool = False
    crl: bytes | None = None
    log: LogView | None = None
    snapshot: SnapshotCheck | None = None
