"""`lumen doctor`: the doctor's look at this home's settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lumen_workers
from lumen_workers import config
from lumen_workers.adapters.store import inspect_store
from lumen_workers.config import Settings
from lumen_workers.local.doctor import Finding, StoreView, examine

FONTS = Path(lumen_workers.__file__).parent / "reports" / "fonts"


def checkup() -> Sequence[Finding]:
    """Every finding. Raises ConfigError when the settings cannot be read at all."""
    settings = config.load()
    return examine(
        home=settings.home,
        broker_url=settings.env.broker_url,
        store=lambda: _look(settings),
        ports={"LUMEN_FLOWER_PORT": port} if (port := settings.env.flower_port) else {},
        zones=(settings.zone.key,),
        fonts=FONTS,
    )


def _look(settings: Settings) -> StoreView:
    seen = inspect_store(settings.store_url)
    return StoreView(location=seen.location, schema=seen.schema, current=seen.current, now=seen.now)
