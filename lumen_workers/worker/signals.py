"""Celery's signals: a sampler that hands over, messages that nobody knows."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import Celery, signals

from lumen_workers.config import Settings
from lumen_workers.worker import process
from lumen_workers.worker.tasks import refuse

log = logging.getLogger(__name__)


def connect(app: Celery, settings: Settings) -> None:
    """Connect the handlers for ``app``'s process."""

    def shutting_down(sig: str, **_: Any) -> None:
        # SIGTERM: this worker is being replaced, so sampling goes on until a successor has it. SIGINT: stop now.
        ctx = process.current()
        if ctx is None or os.environ.get("LUMEN_LANE") != "sampler":
            return
        lane = ctx.lane()
        threading.Thread(target=lane.drain if sig == "SIGTERM" else lane.stop, name="lane end", daemon=True).start()

    def unknown(message: Any, exc: Exception, name: str, **_: Any) -> None:
        refuse(process.context(app, settings), name, f"unknown task: {exc}", {"body": str(message.body)})

    signals.worker_shutting_down.connect(shutting_down, weak=False)
    signals.task_unknown.connect(unknown, weak=False)
