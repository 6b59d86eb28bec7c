"""ASGI applications on real sockets, in this process; they end with the block."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp
from support.processes import eventually

from lumen_workers.web.listen import bind, server_of


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Its URL."""
    server = server_of(app)
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        try:
            eventually(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def ask(
    url: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in small letters, body. Paths leave as they are written."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
