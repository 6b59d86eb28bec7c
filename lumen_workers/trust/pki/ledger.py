"""A root's ledger: one JSON line for each act, never edited (S23)."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import ConfigError
from lumen_workers.trust.files import sync_folder

FILE: Final = "trust_rotation.jsonl"

Line = Mapping[str, Any]


class Ledger:
    """The lines at ``path``. A last line without its end is what a crash has left of an act that never came about."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[Line]:
        """Every act, oldest first. Raises ConfigError for a line that is damaged: it may have been a revocation."""
        return [self._line(number, line) for number, line in enumerate(self.whole().splitlines(), start=1)]

    def whole(self) -> bytes:
        """The file up to its last whole line."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1]

    def add(self, event: str, now: datetime, **data: Any) -> None:
        """One more line, durable once this returns. Raises OSError."""
        line = json.dumps({"ts": iso(now), "event": event, **data}, ensure_ascii=False) + "\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as stream:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            stream.truncate(stream.read().rfind(b"\n") + 1)
            stream.seek(0, os.SEEK_END)
            stream.write(line.encode())
            stream.flush()
            os.fsync(descriptor)
        sync_folder(self.path.parent)

    def _line(self, number: int, text: bytes) -> Line:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or not isinstance(line.get("event"), str):
            raise ConfigError(f"{self.path}, line {number}, cannot be read; restore the file from a copy")
        return line
