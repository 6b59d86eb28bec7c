"""Registers every task of the table with Celery. The bodies are the table's; this is only the way in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from celery import Celery

from lumen_workers.config import Settings
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import LeaseLost, LumenError, UsageError
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import GRACE_S
from lumen_workers.engine.outcome import Fence, Fenced
from lumen_workers.pipelines.tasks import TASKS, Task
from lumen_workers.worker import logs
from lumen_workers.worker.letters import fenced, refuse
from lumen_workers.worker.process import context
from lumen_workers.worker.refusal import Expired, refusal_of
from lumen_workers.worker.signed import EMBEDDED, Claims

log = logging.getLogger(__name__)


def register(app: Celery, settings: Settings) -> None:
    """Make every task known to ``app``."""
    for task in TASKS.values():
        # Threads cannot be ended from outside; a burst ends by itself.
        limits = (
            {} if task.lane == "sampler" else {"soft_time_limit": task.limit_s, "time_limit": task.limit_s + GRACE_S}
        )
        # `shared`: a task of this app only. `throws`: our own errors are logged by `perform`, as one line.
        declare = app.task(name=task.name, bind=True, shared=False, typing=False, throws=(LumenError,), **limits)
        declare(_body(app, settings, task))


def _body(app: Celery, settings: Settings, task: Task) -> Callable[..., str]:
    def run(celery_task: Any, /, *args: Any, **payload: Any) -> str:
        # Without a trace id the message's own id serves, so that the same message delivered again is known again.
        trace_id = payload.get("trace_id", str(celery_task.request.id).replace("-", ""))
        claims: Claims | None = getattr(celery_task.request, EMBEDDED, None) if settings.signed else None
        expires = claims.expires if claims is not None else None
        return perform(context(app, settings), task, args, {"trace_id": trace_id, **payload}, expires=expires)

    return run


def perform(
    ctx: Context, task: Task, args: tuple[Any, ...], payload: Mapping[str, Any], *, expires: datetime | None = None
) -> str:
    """Do one message; returns and logs what came of it. What is not valid is refused, recorded and never retried.

    ``expires`` is when a signed message ends to be good, by store time.
    """
    trace_id = payload.get("trace_id")
    token = logs.trace.set(trace_id if isinstance(trace_id, str) else None)
    began = time.monotonic()
    try:
        if expires is not None and (now := ctx.store.now()) > expires:
            raise Expired(f"expired at {iso(expires)}, {(now - expires).total_seconds():.0f} s before it was taken")
        if args:
            raise UsageError(f"{task.name} takes keyword arguments only")
        outcome = task.run(ctx, payload)
        log.info("%s in %.2f s: %s", task.name, time.monotonic() - began, outcome)
        if isinstance(outcome, Fenced):
            fenced(ctx.store, ctx.region, outcome.fence)
    except UsageError as error:
        refuse(ctx.store, ctx.region, task.name, str(error), {"args": args, "kwargs": payload}, refusal_of(error))
        return f"refused: {error}"
    except LeaseLost as error:
        log.warning("%s in %.2f s: fenced: %s", task.name, time.monotonic() - began, error)
        fenced(ctx.store, ctx.region, Fence.LEASE_LOST)
        return f"fenced: {error}"
    except LumenError as error:
        log.error("%s failed in %.2f s: %s: %s", task.name, time.monotonic() - began, error.code, error)
        raise
    finally:
        logs.trace.reset(token)
    return outcome
