"""How messages reach the lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Dispatcher(Protocol):
    """Hands messages to the lanes."""

    def send(self, task: str, *, region: str, lane: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """Queue ``task`` on ``<region>.<lane>``. Raises NetworkError when the broker does not take it in time."""

    def depth(self, region: str, lane: str) -> int | None:
        """How many messages wait in ``<region>.<lane>``; None where that cannot be told now."""
