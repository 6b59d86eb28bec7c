"""What goes wrong in a source that must not stop: counted, and logged without flooding."""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger(__name__)
_QUIET_S = 60.0


class Problems:
    """Counts by kind; the first of a kind is logged at once, later ones at most once a minute. Thread-safe."""

    def __init__(self, loop: str, source: str) -> None:
        self._who = f"loop {loop}: source {source}"
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._logged: dict[str, float] = {}

    def note(self, kind: str, detail: str) -> None:
        """Count one problem of ``kind``."""
        now = time.monotonic()
        with self._lock:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            loud = now - self._logged.get(kind, -_QUIET_S) >= _QUIET_S
            if loud:
                self._logged[kind] = now
        if loud:
            log.warning("%s: %s (%s, %d so far)", self._who, detail, kind, count)

    def counts(self) -> dict[str, int]:
        """Kind → how often since the source was made."""
        with self._lock:
            return dict(sorted(self._counts.items()))
