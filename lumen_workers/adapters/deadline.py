"""An end for a conversation whose every step comes in time, and whose whole never does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Deadline:
    """Shuts the socket that ``find`` names down after ``seconds``; whoever waits on it sees the peer go.

    ``passed`` tells whether it has.
    """

    def __init__(self, seconds: float, find: Callable[[], socket.socket | None]) -> None:
        self.seconds = seconds
        self.passed = False
        self._find = find
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.passed = True
        found = self._find()
        if found is not None:
            # Not SSLSocket's own, which drops TLS first: what is written meanwhile would leave in the clear.
            with suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)
