"""What a webhook's peer gets, and what is made of its answers and of its silence."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from support.peers import SLOW_S, certificate, drip, hold, http_receiver, reset, scripted, telling, unused_port

from lumen_workers.adapters.channels.webhook import WebhookChannel
from lumen_workers.adapters.post import Answered
from lumen_workers.domain.errors import InDoubt
from lumen_workers.domain.recipients import WebhookTarget

HUGE = {"filling": "x" * (32 << 20)}
"""Facts that no socket's buffers hold."""


def channel(url: str, *, timeout_s: float = 10.0, limit_s: float = 30.0, **target: object) -> WebhookChannel:
    values = {"secret": "s3cret", "token": "t0ken"} | target
    return WebhookChannel(
        {"ops": WebhookTarget(url=url, **values)},  # type: ignore[arg-type]
        timeout_s=timeout_s,
        limit_s=limit_s,
    )


def test_the_body_is_signed_as_it_is_sent() -> None:
    with http_receiver() as peer:
        channel(f"{peer.url}/hook?a=1").tell("ops", telling(title="보고 “OK”", facts={"b": 1, "a": ["é"]}))
        channel(peer.url, secret=None, token=None).tell("ops", telling())
    signed, plain = peer.posts
    assert signed.path == "/hook?a=1"
    assert signed.headers["x-lumen-signature"] == hmac.new(b"s3cret", signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["authorization"] == "Bearer t0ken"
    assert signed.headers["content-type"] == "application/json"
    assert signed.headers["idempotency-key"] == signed.headers["x-lumen-message-id"] == "m-0123456789abcdef"
    assert signed.headers["x-lumen-trace-id"] == "0af7651916cd43dd8448eb211c80319c"
    assert json.loads(signed.body) == {
        "title": "보고 “OK”",
        "payload": {
            "message_id": "m-0123456789abcdef",
            "severity": "page",
            "text": "stage upload failed",
            "ts": "2026-01-31T00:05:00.000000+00:00",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "facts": {"a": ["é"], "b": 1},
            "attachments": [],
        },
    }
    assert not {"x-lumen-signature", "authorization"} & set(plain.headers)


def test_slack_gets_its_form_and_none_of_our_secrets() -> None:
    with http_receiver() as peer:
        channel(f"{peer.url}/services/T/B/x", slack=True).tell("ops", telling(title="a <b> & c"))
    (post,) = peer.posts
    assert json.loads(post.body) == {"text": "*a &lt;b&gt; &amp; c*\nstage upload failed\n_page · m-0123456789abcdef_"}
    assert not {"x-lumen-signature", "authorization"} & set(post.headers)


def test_within_tls_by_the_authorities_that_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate(tmp_path, "localhost")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            taken.append(whole_request(secure))
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    taken: list[bytes] = []
    with scripted(serve) as port:
        hook = channel(f"https://localhost:{port}")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            hook.tell("ops", telling())
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        hook.tell("ops", telling())
    assert len(taken) == 1
    assert json.loads(taken[0])["title"] == "Lumen Daily FAIL"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_taken(status: int) -> None:
    with http_receiver() as peer:
        peer.status = status
        channel(peer.url).tell("ops", telling())
    assert len(peer.posts) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 413, 429, 500, 502, 503, 599])
def test_an_answer_that_says_no_is_no_doubt(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with http_receiver() as peer:
        peer.status, peer.headers = status, {"Location": f"{peer.url}/elsewhere"}
        with pytest.raises(Answered) as failed:
            channel(f"{peer.url}/in-the-path?key=in-the-query").tell("ops", telling())
    error = failed.value
    assert len(peer.posts) == 1, "a redirect is not followed: it would carry the token elsewhere"
    assert error.response.status_code == status
    assert error.retry_after_s is None
    assert str(error).startswith(f"{peer.url} answered {status}")
    for text in (str(error), repr(error), str(error.request.url), repr(error.request.headers), caplog.text):
        for secret in ("in-the-path", "in-the-query", "t0ken", "s3cret"):
            assert secret not in text


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_the_peer_asks_us_to_wait(status: int) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    for said, low, high in (
        ("7", 7, 7),
        ("0", 0, 0),
        ("9" * 5000, 86_400, 86_400),
        (format_datetime(soon, usegmt=True), 60, 90),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT\r\nDate: Wed, 21 Oct 2015 07:27:00 GMT", 60, 60),
    ):
        assert low <= (waits(status, said) or 0) <= high, said
    for said in ("soon", "-5", "1.5", "²", "", "1 Jan 99999999999999999999 00:00:00 GMT"):
        assert waits(status, said) is None, said
    assert waits(500, "7") is None


def waits(status: int, said: str) -> float | None:
    with scripted(lambda connection: answer(connection, f"{status} No\r\nRetry-After: {said}")) as port:
        with pytest.raises(Answered) as failed:
            channel(f"http://127.0.0.1:{port}").tell("ops", telling())
        return failed.value.retry_after_s


def answer(connection: socket.socket, head: str) -> None:
    whole_request(connection)
    connection.sendall(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))


def whole_request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += some(connection)
    head, _, body = got.partition(b"\r\n\r\n")
    (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += some(connection)
    return body


def some(connection: socket.socket) -> bytes:
    """What has come; OSError at the end of it."""
    if not (got := connection.recv(65_536)):
        raise ConnectionError
    return got


def test_a_gateway_that_gave_up_is_a_doubt() -> None:
    with http_receiver() as peer:
        peer.status = 504
        with pytest.raises(InDoubt, match=f"{peer.url} answered 504: .*; look there before it is sent again"):
            channel(peer.url).tell("ops", telling())


def after(then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Read the whole request first."""

    def serve(connection: socket.socket) -> None:
        whole_request(connection)
        then(connection)

    return serve


DOUBTS: dict[str, Callable[[socket.socket], None]] = {
    "reset": reset,
    "closed": lambda connection: connection.close(),
    "silent": hold,
    "no HTTP": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9\r\n"),
    "half a status": lambda connection: connection.sendall(b"HTTP/1.1 2"),
    "half of the headers": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_no_answer_to_a_whole_request_is_a_doubt(name: str) -> None:
    with scripted(after(DOUBTS[name])) as port:
        hook = channel(f"http://127.0.0.1:{port}/in-the-path", timeout_s=SLOW_S)
        with pytest.raises(InDoubt, match=rf"http://127.0.0.1:{port} may have taken it: .*; look there") as failed:
            hook.tell("ops", telling())
    assert "in-the-path" not in str(failed.value)


def test_an_answer_that_drips_is_a_doubt() -> None:
    with (
        scripted(after(lambda connection: drip(connection, b"H"))) as port,
        pytest.raises(InDoubt, match=r"no answer within 0\.4 s"),
    ):
        channel(f"http://127.0.0.1:{port}", limit_s=SLOW_S).tell("ops", telling())


@pytest.mark.parametrize("rest", [reset, hold], ids=["reset", "silent"])
def test_an_answer_whose_body_never_comes_is_an_answer(rest: Callable[[socket.socket], None]) -> None:
    def serve(connection: socket.socket) -> None:
        whole_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        connection.recv(1)  # until the client has seen it and goes
        rest(connection)

    with scripted(serve) as port:
        channel(f"http://127.0.0.1:{port}", timeout_s=SLOW_S).tell("ops", telling())


def test_nobody_there() -> None:
    with pytest.raises(httpx.ConnectError):
        channel(f"http://127.0.0.1:{unused_port()}").tell("ops", telling())


def test_a_name_that_is_none() -> None:
    with pytest.raises(httpx.ConnectError):
        channel("http://host.invalid").tell("ops", telling())


def test_no_tls_on_the_other_side() -> None:
    with (
        scripted(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port,
        pytest.raises(httpx.ConnectError),
    ):
        channel(f"https://127.0.0.1:{port}").tell("ops", telling())


def test_tls_that_never_comes_about() -> None:
    with scripted(hold) as port, pytest.raises(httpx.ConnectTimeout):
        channel(f"https://127.0.0.1:{port}", timeout_s=SLOW_S).tell("ops", telling())


def test_a_reset_before_the_whole_body_left_is_no_doubt() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1_000)
        reset(connection)

    with scripted(serve) as port, pytest.raises(httpx.TransportError):
        channel(f"http://127.0.0.1:{port}").tell("ops", telling(facts=HUGE))


def test_a_body_that_cannot_leave_in_time_is_no_doubt() -> None:
    given_up = threading.Event()
    with scripted(lambda _: bool(given_up.wait(20))) as port:
        with pytest.raises(httpx.WriteTimeout):
            channel(f"http://127.0.0.1:{port}", timeout_s=SLOW_S).tell("ops", telling(facts=HUGE))
        given_up.set()


def test_an_interruption_after_the_body_left_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a task's time limit is: an exception of another kind, out of whatever runs at the time."""

    class TimeIsUp(Exception):
        pass

    def interrupted(*_: object, **__: object) -> None:
        raise TimeIsUp

    with scripted(after(hold)) as port:
        monkeypatch.setattr("httpcore._sync.http11.HTTP11Connection._receive_response_headers", interrupted)
        with pytest.raises(InDoubt, match="TimeIsUp"):
            channel(f"http://127.0.0.1:{port}").tell("ops", telling())
        monkeypatch.setattr("httpcore._sync.http11.HTTP11Connection._send_request_headers", interrupted)
        with pytest.raises(TimeIsUp):
            channel(f"http://127.0.0.1:{port}").tell("ops", telling())


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    with http_receiver() as peer:
        channel(peer.url).tell("ops", telling())
    assert len(peer.posts) == 1
