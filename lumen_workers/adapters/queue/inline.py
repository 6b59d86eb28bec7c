"""A dispatcher without a broker: one process does its own region's messages itself, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any


class InlineDispatcher:
    """Port ``Dispatcher``. Messages for other regions are left to the owed rows behind them."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()

    def send(self, task: str, *, region: str, lane: str, payload: Mapping[str, Any], trace_id: str) -> None:  # noqa: ARG002
        if region == self._region:
            self._queue.append((task, {**payload, "trace_id": trace_id}))

    def depth(self, region: str, lane: str) -> int | None:  # noqa: ARG002
        """None: other processes' messages are not seen here."""
        return None

    def drain(self, handle: Callable[[str, Mapping[str, Any]], object]) -> None:
        """Hand every message to ``handle(task, payload)`` until none is left."""
        while self._queue:
            handle(*self._queue.popleft())
