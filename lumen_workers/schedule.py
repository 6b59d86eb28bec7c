"""Reads ``beat_schedule.py``, for beat, the reconciler and the shell."""

from __future__ import annotations

import beat_schedule
from lumen_workers.config import Settings
from lumen_workers.engine.schedule import Entry, parse
from lumen_workers.pipelines.tasks import SCHEDULABLE


def entries(settings: Settings) -> dict[str, Entry]:
    """The schedule, checked. Raises ConfigError naming the file, the entry and what is allowed."""
    return parse(
        beat_schedule.SCHEDULE,
        known=SCHEDULABLE,
        regions=settings.regions,
        zone=settings.zone,
        origin="beat_schedule.py",
    )
