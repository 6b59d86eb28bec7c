"""``http:URL``: answers that are not as they should be, and peers that are slow on purpose."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.loops import http_peer
from support.peers import drip, hold, scripted, unused_port

from lumen_workers.adapters.environment.web import MOST_BYTES, WebEnvironment

NOW = datetime(2026, 1, 31, 0, 5, tzinfo=UTC)
SINCE = NOW - timedelta(seconds=15)
SLOW_S = 0.4


def problem(url: str, timeout_s: float = 10.0) -> str:
    found = WebEnvironment(url, timeout_s=timeout_s).observe(SINCE, NOW)
    assert found.readings == ()
    assert found.problem is not None
    assert found.problem.startswith(f"{url}: ")
    return found.problem


def test_one_object_without_a_time_is_a_reading_of_now() -> None:
    with http_peer(lambda _: (200, b'{"ambient_temp": 21, "co2": 400}')) as url:
        [found] = WebEnvironment(url, timeout_s=10.0).observe(SINCE, NOW).readings
    assert (found.ts, found.ambient_temp, found.sound_level) == (NOW, 21.0, None)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"ambient_temp": NaN}', "is not JSON"),
        (b"[" * 50_000, "is not JSON"),
        (b"5", "has none of"),
        (b'{"temp": 21}', "has none of light_intensity, ambient_temp, sound_level"),
        (b'{"ambient_temp": "21"}', "ambient_temp: needs a number or null"),
        (b'{"ambient_temp": true}', "ambient_temp: needs a number or null"),
        (b'{"ambient_temp": 1e999}', "ambient_temp: needs a finite number"),
        (b'{"ambient_temp": 1' + b"0" * 400 + b"}", "ambient_temp: needs a finite number"),
        (b'{"ambient_temp": 21, "ts": 5}', "ts: needs ISO 8601 text"),
        (b'{"ambient_temp": 21, "ts": "2026-01-31T00:05:00"}', "has no time zone"),
        (b'{"ambient_temp": 21' + b" " * MOST_BYTES + b"}", "larger than 64 KiB"),
    ],
    ids=range(13),
)
def test_an_answer_that_is_no_reading_is_told(body: bytes, wanted: str) -> None:
    with http_peer(lambda _: (200, body)) as url:
        assert wanted in problem(url)


@pytest.mark.parametrize("status", [204, 301, 404, 500])
def test_another_status_is_told(status: int) -> None:
    with http_peer(lambda _: (status, b"" if status == 204 else b'{"ambient_temp": 21}')) as url:
        assert f"answered {status}, not 200" in problem(url)


def test_nobody_there_is_told() -> None:
    problem(f"http://127.0.0.1:{unused_port()}/x")


def test_a_compressed_answer_was_not_asked_for() -> None:
    def serve(connection: socket.socket) -> None:
        asked = connection.recv(65_536).lower()
        assert b"accept-encoding: identity" in asked
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx")

    with scripted(serve) as port:
        assert "compressed" in problem(f"http://127.0.0.1:{port}/x")


def test_a_silent_peer_and_one_that_drips_end_with_the_time_limit() -> None:
    def heads(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        drip(connection, b"X-More: yes\r\n")

    def body(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        drip(connection, b" ")

    for serve in (hold, heads, body):
        begin = time.monotonic()
        with scripted(serve) as port:
            told = problem(f"http://127.0.0.1:{port}/x", SLOW_S)
        assert "no answer within 0.4 s" in told or "timed out" in told
        assert time.monotonic() - begin < 10.0
