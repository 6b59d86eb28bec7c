"""Ports that refuse, ports that are silent, ports that hang up."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is taken (so that nobody else gets it) and not listened on."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


class Blackhole:
    """A listener whose queue is full: the kernel drops what would connect."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._waiting: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener.bind((HOST, 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect((HOST, self.port))
            self._waiting.append(one)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for one in [*self._waiting, self._listener]:
            one.close()


class Peer:
    """A TCP server; ``talk`` has each connection to itself, in a thread. None: nothing that comes is read."""

    def __init__(self, talk: Callable[[socket.socket], object] | None) -> None:
        self._talk = talk
        self._over = threading.Event()
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        # A thread that waits in accept or recv is not woken by close alone.
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[..., object], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._talk is None:
                self._over.wait()
            else:
                self._talk(connection)


def silent(connection: socket.socket) -> None:
    """Read, and say nothing, until the other side has gone."""
    while connection.recv(65536):
        pass


def resetting(connection: socket.socket) -> None:
    """Reset the connection once something was said."""
    connection.recv(65536)
    reset(connection)


def reset(connection: socket.socket) -> None:
    """End it with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hanging_up(connection: socket.socket) -> None:
    """End it once something was said."""
    connection.recv(65536)
