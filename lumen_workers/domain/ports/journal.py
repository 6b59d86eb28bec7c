"""The journal in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from lumen_workers.domain.journal import JournalEntry


class JournalStore(Protocol):
    """Append-only lines about loops; an id is written once."""

    def append(
        self, loop: str, kind: str, data: Mapping[str, Any], *, entry_id: str | None = None, ts: datetime | None = None
    ) -> JournalEntry | None:
        """Write a line at ``ts`` (default: now). None: the id is there already. Raises NotFound for an unknown loop.

        Without ``entry_id`` every call writes a line of its own.
        """

    def insert(self, entries: Sequence[JournalEntry]) -> int:
        """Import lines as they are but with a new ``seq``; known ids are left alone. Returns how many were new."""

    def rows(
        self,
        kind: str | None = None,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        limit: int | None = None,
    ) -> list[JournalEntry]:
        """Lines by ``ts`` (start inclusive, end exclusive), oldest first; ``limit``: only so many, the newest."""

    def get(self, entry_id: str) -> JournalEntry | None:
        """One line."""
