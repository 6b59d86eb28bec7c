"""One context a process: made at first use, made anew after a fork."""

from __future__ import annotations

import os
import threading
from datetime import datetime

from celery import Celery

from lumen_workers import bootstrap
from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.config import Settings
from lumen_workers.domain.ports import Store
from lumen_workers.engine.context import Context
from lumen_workers.schedule import entries

_lock = threading.Lock()
_made: dict[int, Context] = {}
_clocks: dict[int, Store] = {}


def context(app: Celery, settings: Settings) -> Context:
    """This process's context."""
    pid = os.getpid()
    with _lock:
        if pid not in _made:
            _made.clear()
            _made[pid] = bootstrap.build(settings, CeleryDispatcher(app), entries(settings))
        return _made[pid]


def current() -> Context | None:
    """This process's context if it has one."""
    return _made.get(os.getpid())


def now(settings: Settings) -> datetime:
    """Store time, for what this process signs: by its context, else by a store that beat or a command keeps for it.

    Never called where pool children are forked: a worker's main process sends no tasks. Raises StoreUnavailable.
    """
    made = current()
    if made is not None:
        return made.store.now()
    pid = os.getpid()
    with _lock:
        if pid not in _clocks:
            _clocks.clear()
            _clocks[pid] = bootstrap.store_of(settings)
    return _clocks[pid].now()
