"""Where evidence is kept, and who signs it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


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
        """Ed25519 signature, 64 bytes."""
