"""A server on a socket, until it is told to stop. It knows nothing of what it serves."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from lumen_workers.domain.errors import EnvironmentFault

_STOP_S: Final = 5
"""So long may a request take to its end when the server stops."""


def bind(host: str, port: int, *, name: str = "lumen web", choose: str = "--port or LUMEN_WEB_PORT") -> socket.socket:
    """A socket that listens (port 0: any free one). Raises EnvironmentFault."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        raise EnvironmentFault(
            f"{name} cannot listen on {host}:{port}: {error.strerror}; choose another with {choose} "
            "(0 takes any free one)"
        ) from None


def run(name: str, app: ASGIApp, host: str, listener: socket.socket) -> None:
    """Say where it is, and answer until SIGINT or SIGTERM."""
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"{name} at http://{shown}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server_of(app).run(sockets=[listener])


def server_of(app: ASGIApp) -> uvicorn.Server:
    """Its ``should_exit`` ends it from another thread."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
        timeout_keep_alive=30,
        limit_concurrency=256,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Ends in order at a signal, and is then done: uvicorn's own raises the signal anew behind its end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """For the time of serving, where signals may be handled at all."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
