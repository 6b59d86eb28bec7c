"""A transparency log that is asked over HTTP (C2SP tlog-tiles)."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

from lumen_workers.adapters.deadline import Deadline
from lumen_workers.domain.errors import UsageError
from lumen_workers.trust.notes import MAX_BYTES
from lumen_workers.trust.tlog.tiles import CHECKPOINT, WIDTH, Tile, unpack
from lumen_workers.trust.tlog.tree import LogFault, TileTree

_TIMEOUT_S: Final = 10.0
_WHOLE_S: Final = 60.0
"""So long one answer may take in all: a peer may go on forever, a byte at a time."""

_PLAIN: Final = {"accept-encoding": "identity"}
"""What is sent packed may unpack to any size."""

_MOST: Final = WIDTH * (2**16 + 2)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Read once: it takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


class HttpLog:
    """The log at ``url``; a ``LogView``. Nothing is kept between calls."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"{url!r} is no log's address; it begins with https:// or http://")
        self._url = url.rstrip("/")

    def checkpoint(self) -> bytes | None:
        """What it has published. Raises OSError."""
        return self._get(CHECKPOINT, MAX_BYTES)

    def tree(self, size: int) -> TileTree:
        """Its tree. Raises LogFault, OSError when it is read."""
        return TileTree(self.read, size)

    def entry(self, index: int, size: int) -> bytes:
        """One entry. Raises LogFault, OSError."""
        number = index // WIDTH
        try:
            entries = unpack(self.read(Tile(None, number, min(WIDTH, size - number * WIDTH))))
            return entries[index % WIDTH]
        except (ValueError, IndexError):
            raise LogFault("log_truncated", f"entry {index} is not in its bundle") from None

    def read(self, tile: Tile) -> bytes:
        """A tile's bytes; of a partial one that has gone, the full one's. Raises LogFault, OSError."""
        for found in dict.fromkeys((tile, Tile(tile.level, tile.index))):
            data = self._get(found.path, _MOST)
            if data is not None:
                return data
        raise LogFault("log_truncated", f"{tile.path} is not there")

    def widths(self, tile: Tile) -> list[int]:  # noqa: ARG002
        """Which partial tiles there are is not told over HTTP."""
        return []

    def _get(self, path: str, most: int) -> bytes | None:
        """None: there is no such thing. Raises OSError."""
        found: list[socket.socket] = []

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                found.append(info["return_value"].get_extra_info("socket"))

        deadline = Deadline(_WHOLE_S, lambda: found[-1] if found else None)
        try:
            with (
                httpx.Client(timeout=_TIMEOUT_S, trust_env=False, verify=_trusted()) as client,
                deadline,
                client.stream("GET", f"{self._url}/{path}", headers=_PLAIN, extensions={"trace": trace}) as answer,
            ):
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise OSError(None, f"{self._url}/{path}: status {answer.status_code}")
                data = b""
                for chunk in answer.iter_raw():
                    data += chunk
                    if len(data) > most:
                        raise OSError(None, f"{self._url}/{path}: it is too large")
                if deadline.passed:
                    raise OSError(None, f"{self._url}/{path}: it takes too long")
                return data
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(None, f"{self._url}/{path}: {type(error).__name__}: {error}") from None
