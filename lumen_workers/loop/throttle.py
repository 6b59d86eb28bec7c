"""Doing something once in a while: a repeated trouble is said with how often it happened, not at every tick."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from lumen_workers.domain.clock import Clock
from lumen_workers.domain.errors import LumenError


class Throttle:
    """Logs each key at most once in ``every_s`` seconds. For one thread, or where a lost count does not matter."""

    def __init__(self, logger: logging.Logger, every_s: float = 60.0) -> None:
        self._logger = logger
        self._every_s = every_s
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def warn(self, key: str, message: str, *, error: BaseException | None = None) -> None:
        """Log ``message`` as a warning, with the error's traceback, or count it until the next one is due."""
        now = time.monotonic()
        last = self._last.get(key)
        if last is not None and now - last < self._every_s:
            self._held[key] = self._held.get(key, 0) + 1
            return
        self._last[key] = now
        held = self._held.pop(key, 0)
        again = f" ({held} more since the last time)" if held else ""
        self._logger.warning("%s%s", message, again, exc_info=error)

    def contain(self, key: str, message: str) -> Contained:
        """A ``with`` block whose errors are logged and go no further."""
        return Contained(self, key, message)


class Contained:
    """Stops every ``Exception`` of its block: what must go on does not depend on foreign code that may fail.

    ``error`` is what was raised. An error of ours is logged as its one line, any other with its traceback.
    """

    def __init__(self, throttle: Throttle, key: str, message: str) -> None:
        self._throttle = throttle
        self._key = key
        self._message = message
        self.error: Exception | None = None

    def __enter__(self) -> Contained:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = error
        unexpected = None if isinstance(error, LumenError) else error
        self._throttle.warn(self._key, f"{self._message}: {error}", error=unexpected)
        return True


class Every:
    """Due at the first question and then whenever ``every_s`` seconds have passed."""

    def __init__(self, every_s: float, clock: Clock) -> None:
        self._every_s = every_s
        self._clock = clock
        self._last: float | None = None

    def due(self) -> bool:
        """Whether it is time; True starts the next wait."""
        now = self._clock.monotonic()
        if self._last is not None and now - self._last < self._every_s:
            return False
        self._last = now
        return True
