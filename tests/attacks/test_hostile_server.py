"""A server that is no log, or that wants to be waited for: what a log may send is taken, and no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from attacks.both import one_file, package, verify_lumen
from attacks.corpus import Asked
from attacks.forge import Forge, make_day

from lumen_workers.adapters import tlog

OK = b"HTTP/1.1 200 OK\r\n"
MEBIBYTE = b"x" * 1024 * 1024


class Hostile:
    """Answers each request, on a free port of this machine, with what ``answer`` sends."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self.ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self.ended.is_set():
            with suppress(OSError):
                connection, _ = self._socket.accept()
                with connection:
                    connection.settimeout(1)
                    connection.recv(65536)
                    self._answer(connection)

    def close(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    make_day(tmp_path / "2026-05-09")
    return Forge(tmp_path / "2026-05-09")


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], Hostile]]:
    made: list[Hostile] = []

    def start(answer: Callable[[socket.socket], None]) -> Hostile:
        made.append(Hostile(answer))
        return made[-1]

    yield start
    for server in made:
        server.close()


Serve = Callable[[Callable[[socket.socket], None]], Hostile]


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def endless(head: bytes, part: bytes) -> Callable[[socket.socket], None]:
    """Sends ``part`` again and again, as fast as it is taken."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(part)

    return answer


ANSWERS = {
    "nothing": says(b""),
    "no HTTP": says(b"SSH-2.0-x\r\n"),
    "no number for a status": says(b"HTTP/1.1 abc\r\n\r\n"),
    "an error": says(b"HTTP/1.1 500 x\r\n\r\n"),
    "a part": says(b"HTTP/1.1 206 x\r\nContent-Length: 1\r\n\r\nx"),
    "no content": says(b"HTTP/1.1 204 x\r\n\r\n"),
    "cut off": says(OK + b"Content-Length: 1000\r\n\r\nx"),
    "a length that is none": says(OK + b"Content-Length: -1\r\n\r\n" + MEBIBYTE),
    "a chunk that is none": says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a chunk without end": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "heads without end": endless(OK, b"x: y\r\n"),
    "a head without end": endless(OK + b"x: ", MEBIBYTE),
    "too much": says(OK + b"Content-Length: 999999999999\r\n\r\n" + MEBIBYTE),
    "content without end": endless(OK + b"\r\n", MEBIBYTE),
    "compressed": endless(OK + b"Content-Encoding: gzip\r\n\r\n", MEBIBYTE),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_no_answer(answer: str, forge: Forge, serve: Serve) -> None:
    told = one_file(forge.build(), forge, Asked(), verify_lumen.Log(serve(ANSWERS[answer]).url))
    assert (told["ok"], told["reason"]) == (False, "log_unreachable"), told["checks"][16]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_goes_nowhere_else(status: int, forge: Forge, serve: Serve) -> None:
    asked: list[bool] = []

    def elsewhere(connection: socket.socket) -> None:
        asked.append(True)

    there = serve(elsewhere).url.encode()
    log = serve(says(b"HTTP/1.1 %d x\r\nLocation: %s/checkpoint\r\nContent-Length: 0\r\n\r\n" % (status, there)))
    told = one_file(forge.build(), forge, Asked(), verify_lumen.Log(log.url))
    assert told["reason"] == "log_unreachable"
    assert f"status {status}" in told["checks"][16]["detail"]
    assert not asked


def reasons(forge: Forge, server: Hostile, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What both verifiers say, who wait for a second."""
    data = forge.build()
    monkeypatch.setattr(verify_lumen, "MOST_SECONDS", 1)
    monkeypatch.setattr(tlog, "_WHOLE_S", 1)
    found = [
        one_file(data, forge, Asked(), verify_lumen.Log(server.url)),
        package(data, forge, Asked(), tlog.HttpLog(server.url)),
    ]
    return [result["reason"] for result in found]


@pytest.mark.parametrize(
    "head", [b"", OK + b"x: ", OK + b"Content-Length: 60000\r\n\r\n"], ids=["status", "head", "body"]
)
def test_a_byte_now_and_then(head: bytes, forge: Forge, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        while not server.ended.wait(0.05):
            connection.sendall(b"x")

    server = serve(drip)
    assert reasons(forge, server, monkeypatch) == ["log_unreachable"] * 2


def test_promises_without_end(forge: Forge, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100))
    assert reasons(forge, server, monkeypatch) == ["log_unreachable"] * 2


def test_a_log_of_the_largest_size(forge: Forge, serve: Serve) -> None:
    """Its checkpoint is signed; each of its tiles is as large as may be, and wrong."""
    data = forge.build()
    text = f"example.org/lumen\n{2**63 - 1}\n{'A' * 43}=\n"
    checkpoint = (text + "\n" + forge.log.line(text)).encode()
    asked = 0

    def answer(connection: socket.socket) -> None:
        nonlocal asked
        asked += 1
        body = checkpoint if asked == 1 else b"x" * 8192
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    told = one_file(data, forge, Asked(), verify_lumen.Log(serve(answer).url))
    assert told["reason"] == "log_truncated"
    assert asked < 30
