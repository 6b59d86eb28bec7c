"""The natural rhythm as the self-tuner sees it: the journal's newest line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from lumen_workers.domain.journal import RHYTHM, JournalEntry
from lumen_workers.domain.ports import Store

FRESH: Final = timedelta(seconds=60)
"""An older line says nothing of the present."""


def newest(store: Store, loop: str, now: datetime) -> JournalEntry | None:
    """The newest line of a loop, unless it is old."""
    found = next(iter(store.journal.rows(RHYTHM, loop, limit=1)), None)
    return found if found is not None and now - found.ts <= FRESH else None


def phase_shift(store: Store, loop: str, now: datetime) -> float:
    """By how much the phase target is moved now; 0.0 where nothing is known."""
    entry = newest(store, loop, now)
    shift = None if entry is None else entry.data["delta_phase"]
    return 0.0 if shift is None else float(shift)
