"""The file that keeps what an import refused, so that nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Self

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import EnvironmentFault

KEPT: Final = 4096
"""Characters of a refused line that are kept."""


class Quarantine:
    """``<folder>/import-<loop>-<8 hex of the source's path>.jsonl``: rows ``ts_utc, source, line_no, line, reason``.

    One file for each source: importing it again replaces the file, and an import that refuses nothing removes it.
    Raises EnvironmentFault when it cannot be written: a row must not be dropped silently.
    """

    def __init__(self, folder: Path, loop: str, source: Path, now: datetime) -> None:
        digest = hashlib.sha256(str(source.resolve()).encode(errors="surrogateescape")).hexdigest()[:8]
        self._path = folder / f"import-{loop}-{digest}.jsonl"
        self._part = self._path.with_suffix(".part")
        self._now = iso(now)
        self._file: IO[str] | None = None
        self._counts: dict[str, Counter[str]] = {}

    def put(self, source: str, line_no: int, line: bytes, reason: str) -> None:
        """Keep one refused line of the file ``source`` (relative path) and count it by ``reason``."""
        row = {
            "ts_utc": self._now,
            "source": source,
            "line_no": line_no,
            "line": line.decode("utf-8", errors="backslashreplace")[:KEPT],
            "reason": reason,
        }
        self._counts.setdefault(source, Counter())[reason] += 1
        try:
            if self._file is None:
                self._part.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._part.open("w", encoding="utf-8", newline="\n")
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise self._fault(error) from error

    def counts(self, source: str) -> dict[str, int]:
        """Reason → refused rows of one file, sorted by reason."""
        return dict(sorted(self._counts.get(source, Counter()).items()))

    @property
    def path(self) -> Path | None:
        """Where the refused rows are after the ``with``; None when there are none."""
        return None if self._file is None else self._path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an error: what was refused until then is worth keeping.
        try:
            if self._file is None:
                self._path.unlink(missing_ok=True)
                return
            self._file.close()
            self._part.replace(self._path)
        except OSError as error:
            raise self._fault(error) from error

    def _fault(self, error: OSError) -> EnvironmentFault:
        return EnvironmentFault(f"{self._path}: refused rows cannot be kept: {error.strerror}; free space or rights")
