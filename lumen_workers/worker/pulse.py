"""A process's signs of life: a row in the store, renewed every few seconds, by a thread that does nothing else."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from lumen_workers.config import Settings
from lumen_workers.domain.ports import PulseStore

log = logging.getLogger(__name__)

EVERY_S: Final = 3.0


def start(settings: Settings, pulses: Callable[[], PulseStore], code_version: str, *, pid: int | None = None) -> None:
    """Give signs of life for this process's lane from now on. ``pid`` names the worker, where this is its child."""
    region, host, lane = settings.region, settings.env.host, settings.env.lane
    if lane is None:
        return  # somebody's own Celery process: it has no lane of ours
    holder = f"{region}/{host}/{pid or os.getpid()}"

    def beat() -> None:
        away = False
        pause = threading.Event()  # never set: a wait that no clock moves
        while True:
            try:
                pulses().beat(region, lane, host, holder, code_version)
                away = False
            except Exception as error:  # noqa: BLE001  (without its pulse a region counts as silent)
                if not away:
                    log.warning("no sign of life could be given, trying on: %s", error)
                away = True
            pause.wait(EVERY_S)

    threading.Thread(target=beat, name="pulse", daemon=True).start()
