"""A thread for what must not run on the deadline thread: files, peers, the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)
_AFTER_ERROR_S = 1.0


class Background:
    """Calls ``step`` again and again; it returns the seconds to wait until the next call, None to wait for ``wake``.

    A step that raises is logged and called again after a second: what it feeds goes missing, nothing else stops.
    """

    def __init__(self, name: str, step: Callable[[], float | None]) -> None:
        self._step = step
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called: a long step looks at it and ends."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """Call ``step`` now, or once more after the call that runs."""
        self._wake.set()

    def stop(self, timeout_s: float = 6.0) -> None:
        """End the thread; waits for the step that runs, at most ``timeout_s`` (the thread is a daemon)."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._stopping.is_set():  # asked after the clear: a stop in between is not lost
                return
            try:
                delay = self._step()
            except Exception:
                log.exception("%s: step failed", self._thread.name)
                delay = _AFTER_ERROR_S
            self._wake.wait(delay)
