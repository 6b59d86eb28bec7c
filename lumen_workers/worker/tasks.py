"""Registers every task of the table with Celery. The bodies are the table's; this is only the way in."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery

from lumen_workers.config import Settings
from lumen_workers.domain.errors import LeaseLost, LumenError, UsageError
from lumen_workers.engine.context import Context
from lumen_workers.pipelines.tasks import TASKS, Task
from lumen_workers.worker.process import context

log = logging.getLogger(__name__)


def register(app: Celery, settings: Settings) -> None:
    """Make every task known to ``app``."""
    for task in TASKS.values():
        limits = {} if task.lane == "sampler" else {"time_limit": 1800, "soft_time_limit": 1740}
        # `throws`: our own errors are logged as one line, without a traceback.
        app.task(name=task.name, typing=False, throws=(LumenError,), **limits)(_body(app, settings, task))


def _body(app: Celery, settings: Settings, task: Task) -> Callable[..., str]:
    def run(*args: Any, **payload: Any) -> str:
        return perform(context(app, settings), task, args, payload)

    return run


def perform(ctx: Context, task: Task, args: tuple[Any, ...], payload: Mapping[str, Any]) -> str:
    """Do one message. What is not valid is refused, recorded and never retried."""
    try:
        if args:
            raise UsageError(f"{task.name} takes keyword arguments only")
        outcome = task.run(ctx, payload)
    except UsageError as error:
        refuse(ctx, task.name, str(error), {"args": args, "kwargs": payload})
        return f"refused: {error}"
    except LeaseLost as error:
        log.warning("%s: fenced: %s", task.name, error)
        return f"fenced: {error}"
    log.info("%s: %s", task.name, outcome)
    return outcome


def refuse(ctx: Context, task: str, reason: str, payload: Mapping[str, Any]) -> None:
    """Keep a message that will not be done."""
    log.warning("%s: refused: %s", task, reason)
    kwargs = payload.get("kwargs")
    trace = kwargs.get("trace_id") if isinstance(kwargs, Mapping) else None
    text = json.dumps(payload, default=str, ensure_ascii=False)[:10_000]
    ctx.store.notices.refuse(task, ctx.region, reason, text, trace if isinstance(trace, str) else None)
