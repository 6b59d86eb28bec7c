"""Where refused rows are kept: one JSON object a line, appended."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from lumen_workers.domain.clock import iso


class Refused(NamedTuple):
    """A refused row: its line number in the file (from 1), its text and the reason."""

    line_no: int
    line: str
    reason: str


class Quarantine:
    """``<home>/quarantine/<loop>.jsonl`` of rows that came from ``source``. A row is kept at least once."""

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._source = source

    def add(self, rows: Sequence[Refused]) -> None:
        """Append rows in one write. Raises OSError. What a full disk cut off before stays on a line of its own."""
        if not rows:
            return
        ts = iso(datetime.now(UTC))
        text = "".join(
            json.dumps({"ts_utc": ts, "source": self._source, **row._asdict()}, ensure_ascii=False) + "\n"
            for row in rows
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
            file.write(("\n" * torn + text).encode())
