"""Places in a worker's work at which the chaos suite can hold it: it runs in the workers, the product knows nothing.

A hold is a file in ``<home>/holds``. Whoever comes to its place says so in ``<place>@<pid>`` beside it, and waits there
until the file is gone. Places: ``<stage>-begin`` and ``<stage>-end`` (the work is done, and not yet published),
``election`` (just before it), ``elected`` (just behind it), ``send-begin`` and ``send-end`` (taken, and not yet
recorded).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

LONGEST_S = 150.0
"""Nobody is held for longer, should the suite die."""


def pause(place: str) -> None:
    """Wait here while there is a hold."""
    folder = Path(os.environ["LUMEN_HOME"]) / "holds"
    gate = folder / place
    if not gate.exists():
        return
    mark = folder / f"{place}@{os.getpid()}"
    mark.touch()
    ends = time.monotonic() + LONGEST_S
    while gate.exists() and time.monotonic() < ends:
        time.sleep(0.01)
    mark.unlink(missing_ok=True)


def held(before: str, after: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """``work`` between two places."""

    @wraps(work)
    def between(*args: Any, **options: Any) -> Any:
        pause(before)
        result = work(*args, **options)
        pause(after)
        return result

    return between


def install() -> None:
    """Put the places into this process."""
    from lumen_workers.adapters.channels.email import EmailChannel
    from lumen_workers.adapters.channels.webhook import WebhookChannel
    from lumen_workers.adapters.store.runs import SqlRuns
    from lumen_workers.pipelines.daily import DAILY_PIPELINE

    for stage in DAILY_PIPELINE.stages:
        # The declarations are frozen; nothing in the product changes one.
        object.__setattr__(stage, "run", held(f"{stage.name}-begin", f"{stage.name}-end", stage.run))
    for kind, name, before, after in (
        (SqlRuns, "finish", "election", "elected"),
        (EmailChannel, "tell", "send-begin", "send-end"),
        (WebhookChannel, "tell", "send-begin", "send-end"),
    ):
        setattr(kind, name, held(before, after, getattr(kind, name)))
