"""Letters: messages that will not be done. What came is kept in the store; it is never tried again by itself."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from lumen_workers.domain.ports import Store
from lumen_workers.engine.execute import clean
from lumen_workers.engine.outcome import Fence
from lumen_workers.worker import logs
from lumen_workers.worker.refusal import Refusal

log = logging.getLogger(__name__)

_TRACE = re.compile(r"[0-9a-f]{32}")
_LIMIT = 10_000
"""Characters of a payload that are kept."""

REFUSED = "lumen_messages_refused_total"
FENCED = "lumen_messages_fenced_total"
"""Counters, by region and reason (``Refusal``, ``Fence``)."""


def refuse(
    store: Store, region: str, task: str, reason: str, payload: Mapping[str, Any], refusal: Refusal = Refusal.INVALID
) -> None:
    """Keep one message, and count it. Its trace id is taken from the keyword arguments, if it is one."""
    kwargs = payload.get("kwargs")
    trace = kwargs.get("trace_id") if isinstance(kwargs, Mapping) else None
    known = isinstance(trace, str) and _TRACE.fullmatch(trace)
    token = logs.trace.set(trace if known else logs.trace.get())  # one that never became a task has set none
    try:
        log.warning("%s: refused: %s", task, reason)
    finally:
        logs.trace.reset(token)
    text = clean(json.dumps(payload, default=str, ensure_ascii=False))[:_LIMIT]
    store.notices.refuse(clean(task)[:200], region, clean(reason)[:1000], text, trace if known else None)
    store.tallies.add(REFUSED, {"region": region, "reason": refusal.value})


def fenced(store: Store, region: str, fence: Fence) -> None:
    """Count a message that came to work that was done, or in other hands."""
    store.tallies.add(FENCED, {"region": region, "reason": fence.value})


def contents(message: Any) -> dict[str, Any]:
    """A broker message that was not understood, as far as it can be shown."""
    body = message.body
    shown: dict[str, Any] = {
        "content_type": message.content_type,
        "body": body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else str(body),
    }
    trace = message.headers.get("lumen_trace_id")
    return {**shown, "kwargs": {"trace_id": trace}} if trace else shown
