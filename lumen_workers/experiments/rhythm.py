"""The natural rhythm as the self-tuner sees it: the journal's newest line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from lumen_workers.domain.journal import RHYTHM, JournalEntry
from lumen_workers.domain.ports import Store

FRESH: Final = timedelta(seconds=60)
"""An older line says nothing of the present."""

_TICK: Final = timedelta(microseconds=1)


def newest(store: Store, loop: str, now: datetime) -> JournalEntry | None:
    """The newest line of a loop in [now − FRESH, now]; an imported one may be of a time to come, and does not count."""
    lines = store.journal.rows(RHYTHM, loop, start=now - FRESH, end=now + _TICK, limit=1)
    return next(iter(lines), None)


def phase_shift(store: Store, loop: str, now: datetime) -> float:
    """By how much the phase target is moved now; 0.0 where nothing is known."""
    entry = newest(store, loop, now)
    shift = None if entry is None else number(entry.data, "delta_phase")
    return 0.0 if shift is None else shift


def number(data: Mapping[str, Any], key: str) -> float | None:
    """A number of a line; None where it has none. Lines of other programs are imported as they are."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def contributions(data: Mapping[str, Any]) -> dict[str, float]:
    """The contributions that a line has, by name."""
    found = data.get("contributions")
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name in found if (value := number(found, name)) is not None}
