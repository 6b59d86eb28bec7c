"""What an import did, file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One file: ``rows`` = ``added`` + ``known`` (in the store already) + all of ``refused`` (reason → rows)."""

    path: str
    rows: int
    added: int
    known: int
    refused: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "path": self.path,
            "rows": self.rows,
            "added": self.added,
            "known": self.known,
            "refused": dict(self.refused),
        }


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """One import. ``created``: the loop was new; ``quarantine``: the file that holds the refused rows, if any were."""

    loop: str
    rate_hz: int
    created: bool
    files: tuple[FileReport, ...]
    quarantine: Path | None

    @property
    def added(self) -> int:
        """Rows that are new in the store."""
        return sum(file.added for file in self.files)

    @property
    def refused(self) -> int:
        """Rows that went to the quarantine."""
        return sum(sum(file.refused.values()) for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "loop": self.loop,
            "rate_hz": self.rate_hz,
            "created": self.created,
            "added": self.added,
            "refused": self.refused,
            "quarantine": str(self.quarantine) if self.quarantine else None,
            "files": [file.as_json() for file in self.files],
        }
