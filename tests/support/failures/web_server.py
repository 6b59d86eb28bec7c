"""An HTTP server that does badly what it is asked: the path names the fault."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from support.failures.tcp import HOST, reset

RAW = {
    "garbage": b"220 this is no web server\r\n",
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip.",
    "empty": b"",
}


class _Handler(BaseHTTPRequestHandler):
    """``/status/503?retry=5``, ``/redirect``, ``/slow``, ``/reset``, and the words of RAW."""

    server: WebServer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        words = asked.path.strip("/").split("/")
        self.close_connection = True
        if words[0] == "status":
            self._status(int(words[1]), parse_qs(asked.query).get("retry", [""])[0])
        elif words[0] == "redirect":
            self.wfile.write(
                b"HTTP/1.1 302 Found\r\nLocation: /redirect\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
        elif words[0] == "slow":
            self.server.over.wait(30)
        elif words[0] == "reset":
            self.wfile.flush()
            reset(self.connection)
        else:
            self.wfile.write(RAW[words[0]])

    def _status(self, status: int, retry: str) -> None:
        # A clock that is a day behind ours: a date counts from the answer's own.
        now = datetime.now(UTC) - timedelta(days=1)
        if retry.startswith("date"):
            retry = format_datetime(now + timedelta(seconds=float(retry[4:])), usegmt=True)
        self.send_response_only(status)
        self.send_header("Date", format_datetime(now, usegmt=True))
        if retry:
            self.send_header("Retry-After", retry)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def finish(self) -> None:
        if self.connection.fileno() >= 0:
            super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class WebServer(ThreadingHTTPServer):
    """On a free port of the loopback address."""

    handler: type[BaseHTTPRequestHandler] = _Handler

    def __init__(self) -> None:
        super().__init__((HOST, 0), self.handler)
        self.url = f"http://{HOST}:{self.server_port}"
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what some cases want."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.over.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
