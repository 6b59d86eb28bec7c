"""A mail server and a webhook receiver that keep what they are given."""

from __future__ import annotations

import threading
from collections import Counter
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP
from support.proxy import LoopThread


class Received:
    """Message ids, by recipient."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, recipient: str, message_id: str) -> None:
        """One more."""
        with self._lock:
            self._counts[recipient, message_id] += 1

    def counts(self) -> dict[tuple[str, str], int]:
        """(recipient, message id) → how often it came."""
        with self._lock:
            return dict(self._counts)


class MailSink:
    """Takes every mail, and notes it by the local part of its recipient's address."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._thread = LoopThread("mail sink")
        self._server = self._thread.run(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _listen(self) -> Any:
        loop = self._thread.loop
        return await loop.create_server(lambda: SMTP(self, loop=loop, hostname="sink.test"), "127.0.0.1", 0)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        """aiosmtpd calls it with each mail."""
        mail = message_from_bytes(envelope.content)
        for address in envelope.rcpt_tos:
            self._received.add(address.partition("@")[0], mail["X-Lumen-Message-Id"])
        return "250 taken"

    def close(self) -> None:
        """Stop."""
        self._server.close()
        self._thread.close()


class HookSink:
    """Answers every POST with 204, and notes it under the recipient's name ``hook``."""

    def __init__(self, received: Received) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                received.add("hook", self.headers["X-Lumen-Message-Id"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="hook sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
