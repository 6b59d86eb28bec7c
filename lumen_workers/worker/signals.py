"""Celery's signals: children that die with their parent, a sampler that hands over, messages that are refused."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import Celery, signals
from celery.apps.worker import install_worker_int_handler, install_worker_term_handler
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.platforms import EX_OK

from lumen_workers import bootstrap
from lumen_workers.config import Settings
from lumen_workers.domain.errors import LumenError
from lumen_workers.worker import logs, process, pulse
from lumen_workers.worker.guard import die_with_parent
from lumen_workers.worker.letters import contents, refuse
from lumen_workers.worker.refusal import refusal_of, told

log = logging.getLogger(__name__)


def connect(app: Celery, settings: Settings) -> None:
    """Connect this process's handlers."""

    def give_pulses(pid: int | None = None) -> None:
        version = settings.env.pipeline_version or bootstrap.code_version()
        pulse.start(settings, lambda: process.context(app, settings).store.pulses, version, pid=pid)

    def child(**_: Any) -> None:
        die_with_parent()
        give_pulses(os.getppid())

    def beat_started(**_: Any) -> None:
        give_pulses()

    def logger_made(logger: logging.Logger, loglevel: int, **_: Any) -> None:
        logs.set_up(logger, loglevel, settings.region, settings.env.lane, settings.env.log)

    def ready(sender: Any, **_: Any) -> None:
        # Celery's worker ends with code 1 after SIGINT, even when it has finished all in order.
        worker = sender.controller
        install_worker_int_handler(worker, exitcode=EX_OK)
        if isinstance(sender.pool, ThreadPool):
            # It would try to kill the threads, and hang. A burst ends when it is told to.
            for name in ("SIGINT", "SIGQUIT"):
                install_worker_term_handler(worker, sig=name)
            give_pulses()  # a prefork worker's children give them: no store may be open where they are forked

    def shutting_down(sig: str, **_: Any) -> None:
        # SIGTERM: this worker is being replaced, so sampling goes on until a successor has it. Others: stop now.
        # Only a process that works on its own threads has a context here: in a prefork worker the children have it.
        ctx = process.current()
        if ctx is not None:
            lane = ctx.lane()
            threading.Thread(target=lane.drain if sig == "SIGTERM" else lane.stop, name="lane end", daemon=True).start()

    def rejected(message: Any, exc: Exception, **_: Any) -> None:
        reason, refusal = told(exc), refusal_of(exc)
        task = str(message.headers.get("task"))
        # Through a store of its own: none may be open where pool children are forked.
        try:
            store = bootstrap.store_of(settings)
            try:
                refuse(store, settings.region, task, reason, contents(message), refusal)
            finally:
                store.close()
        except LumenError as error:
            log.error("%s: refused (%s), but no letter was written: %s", task, reason, error)

    signals.worker_process_init.connect(child, weak=False)
    signals.after_setup_logger.connect(logger_made, weak=False)
    signals.beat_init.connect(beat_started, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(shutting_down, weak=False)
    signals.task_rejected.connect(rejected, weak=False)
