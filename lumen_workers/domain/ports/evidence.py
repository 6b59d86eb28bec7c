"""Where evidence is kept, and who signs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from lumen_workers.domain.evidence import LogHead, LogRow
from lumen_workers.domain.runs import Lease


class Remote(Protocol):
    """Where snapshots are kept. Names are relative POSIX paths; a published folder never changes."""

    def publish(self, name: str, folder: Path) -> bool:
        """Copy ``folder`` to ``name`` in one step. False: ``name`` is there already (nothing was written)."""

    def attach(self, name: str, relative: str, data: bytes) -> bool:
        """Add one side file to a published folder, atomically. False: it is there already."""

    def fetch(self, name: str, target: Path) -> Path:
        """Copy the folder to ``target`` (which must not exist) and return it. Raises NotFound."""

    def exists(self, name: str) -> bool:
        """Whether the folder is published."""

    def names(self) -> list[str]:
        """Published folders, sorted."""

    def note(self, name: str, data: bytes) -> None:
        """Write the file ``name`` beside the folders, whole; one that is there is replaced atomically."""


class Signer(Protocol):
    """A region's key."""

    fingerprint: str
    """SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex."""

    public_pem: str

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data`` itself: Ed25519 (RFC 8032), or on P-256 ECDSA with SHA-256, as DER."""


class LogStore(Protocol):
    """What transparency logs owe and have promised. A log lies in files; this is what makes an entry happen once."""

    def enqueue(self, origin: str, key: str, entry: bytes, envelope: bytes) -> LogRow:
        """Owe an entry. One that is there under ``key`` is left alone and returned."""

    def get(self, origin: str, key: str) -> LogRow | None:
        """One row."""

    def pending(self, origin: str, limit: int | None = None) -> list[LogRow]:
        """Rows that no position has been given, in the order in which they were queued."""

    def rows(self, limit: int | None = None) -> list[LogRow]:
        """Sequenced rows of all logs, newest first."""

    def head(self, origin: str) -> LogHead | None:
        """The newest tree that was signed."""

    def heads(self) -> list[LogHead]:
        """Those of all logs, by origin."""

    def advance(self, head: LogHead, positions: Mapping[str, int], lease: Lease) -> None:
        """Record a signed tree and the positions (key → index) that it gives, together, under ``lease``.

        Raises LeaseLost, and LogRefused for a tree that is smaller than the one before.
        """
