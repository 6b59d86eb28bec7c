"""What a mail server gets, and what is made of its answers and of its silence."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.peers import SLOW_S, certificate, drip, hold, mail_server, reset, scripted, telling, unused_port

from lumen_workers.adapters.channels.email import EmailChannel
from lumen_workers.adapters.channels.smtp import Refused
from lumen_workers.domain.errors import ConfigError, InDoubt, NetworkError, TokenExpired
from lumen_workers.domain.recipients import Mailbox, MailServer

HOST = "mail.example.org"
SENDER = Mailbox(name="Lumen", address="lumen@example.org")
MESSAGE_ID = "<lumen.6eb2e1c0763c81e53600d84c4a201b85@example.org>"


def channel(port: int, *, host: str = "127.0.0.1", timeout_s: float = 20.0, limit_s: float = 60.0, **more: Any) -> Any:
    server = MailServer(host=host, port=port, sender=SENDER, **more)
    return EmailChannel(
        server, {"ops": Mailbox(name="운영팀", address="ops@example.org")}, timeout_s=timeout_s, limit_s=limit_s
    )


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """``HOST`` is found on the loopback address: TLS is asked of it, as its name is none of this machine's."""
    find = socket.getaddrinfo

    def found(host: Any, *rest: Any, **more: Any) -> Any:
        return find("127.0.0.1" if host == HOST else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, which this process trusts."""
    context, authority = certificate(tmp_path / "tls", HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return context


def test_a_mail_within_tls_with_login_and_attachments(elsewhere: None, tls: ssl.SSLContext, tmp_path: Path) -> None:
    files = {
        "보고서.pdf": bytes(range(256)) * 999,
        "notes.txt": "줄\n.\n..\r\n".encode(),
        "bundle.tar.gz": b"\x1f\x8b\0",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = tuple(tmp_path / name for name in files)
    title = "루멘 공명 보고서 – " + "아주 긴 제목 " * 12 + "2026-01-31"
    with mail_server(tls, ("lumen", "pa55")) as box:
        way = channel(box.port, host=HOST, user="lumen", password="pa55")
        way.tell("ops", telling(title=title, text="첫 줄\n.\n끝", attachments=paths))
    (mail,) = box.mails
    assert (mail.tls, mail.user) == (True, "lumen")
    assert (mail.sender, mail.to) == ("lumen@example.org", ["ops@example.org"])
    message = mail.message
    assert message["Subject"] == title
    assert message["From"] == "Lumen <lumen@example.org>"
    assert message["To"].addresses[0].display_name == "운영팀"
    assert message["Date"].datetime == telling().ts
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Lumen-Message-Id"] == "m-0123456789abcdef"
    body = message.get_body()
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith("첫 줄\n.\n끝\n\n")
    assert "run: 20260131-us-west-2-01234567\nloss: 0.5" in text
    assert "trace 0af7651916cd43dd8448eb211c80319c" in text
    parts = {part.get_filename(): part for part in message.iter_attachments()}
    assert {name: part.get_payload(decode=True) for name, part in parts.items()} == files
    assert [part.get_content_type() for part in parts.values()] == [
        "application/pdf",
        "text/plain",
        "application/octet-stream",
    ]
    assert mail.raw.isascii()
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998


def test_a_second_send_is_the_same_mail() -> None:
    with mail_server() as box:
        way = channel(box.port)
        for _ in range(2):
            way.tell("ops", telling())
        way.tell("ops", telling(message_id="m-other"))
    first, second, other = box.mails
    assert first.raw == second.raw
    assert first.message["Message-ID"] != other.message["Message-ID"]
    assert first.message["Message-ID"] == MESSAGE_ID
    assert (first.tls, first.user) == (False, None)


def test_a_server_elsewhere_without_starttls_gets_nothing(elsewhere: None) -> None:
    with (
        mail_server(login=("lumen", "pa55")) as box,
        pytest.raises(ConfigError, match="offers no STARTTLS; nothing was sent"),
    ):
        channel(box.port, host=HOST, user="lumen", password="pa55").tell("ops", telling())
    assert box.mails == []


def test_a_certificate_that_is_not_trusted(elsewhere: None, tmp_path: Path) -> None:
    context, _ = certificate(tmp_path, HOST)
    with (
        mail_server(context) as box,
        pytest.raises(NetworkError, match="self-signed certificate; SSL_CERT_FILE names"),
    ):
        channel(box.port, host=HOST).tell("ops", telling())


def test_a_certificate_of_somebody_else(elsewhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate(tmp_path, "other.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with mail_server(context) as box, pytest.raises(NetworkError, match="Hostname mismatch"):
        channel(box.port, host=HOST).tell("ops", telling())
    assert box.mails == []


def test_a_login_that_is_refused_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        mail_server(login=("lumen", "pa55")) as box,
        pytest.raises(TokenExpired, match="correct SMTP_USER and SMTP_PASS") as failed,
    ):
        channel(box.port, user="lumen", password="wr0ng").tell("ops", telling())
    assert box.mails == []
    for text in (str(failed.value), repr(failed.value.__cause__), caplog.text):
        assert "wr0ng" not in text


def test_a_server_without_login() -> None:
    with (
        mail_server(auth_exclude_mechanism=("LOGIN", "PLAIN")) as box,
        pytest.raises(ConfigError, match="offers no login"),
    ):
        channel(box.port, user="lumen", password="pa55").tell("ops", telling())


def test_a_mail_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(200_000))
    with mail_server(data_size_limit=100_000) as box, pytest.raises(Refused, match="552") as failed:
        channel(box.port).tell("ops", telling(attachments=(tmp_path / "big.bin",)))
    assert failed.value.smtp_code == 552
    assert box.mails == []


def test_an_attachment_that_is_not_there(tmp_path: Path) -> None:
    with mail_server() as box, pytest.raises(FileNotFoundError):
        channel(box.port).tell("ops", telling(attachments=(tmp_path / "gone.pdf",)))
    assert box.mails == []


def test_no_mail_server() -> None:
    with pytest.raises(ConfigError, match="SMTP_HOST and SMTP_FROM"):
        EmailChannel(None, {"ops": SENDER}).tell("ops", telling())


Act = Callable[[socket.socket], None]
STEPS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end", "QUIT")
REPLIES = {
    "greeting": "220 test",
    "EHLO": "250 test",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": "354 go on",
    "end": "250 taken",
    "QUIT": "221 bye",
}


def say(line: str) -> Act:
    return lambda connection: connection.sendall(f"{line}\r\n".encode())


def server(at: str, act: Act) -> Act:
    """A mail server that does ``act`` instead of its reply at one step."""

    def serve(connection: socket.socket) -> None:
        for step in STEPS:
            if step != "greeting":
                read_until(connection, b"\r\n.\r\n" if step == "end" else b"\r\n")
            if step == at:
                act(connection)
                hold(connection)
                return
            say(REPLIES[step])(connection)

    return serve


def read_until(connection: socket.socket, end: bytes) -> None:
    got = b""
    while not got.endswith(end):
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError
        got += piece


BREAKS: dict[str, Act] = {
    "reset": reset,
    "closed": lambda connection: connection.shutdown(socket.SHUT_RDWR),
    "silent": hold,
    "no reply": say("hello there"),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("step", STEPS[:5])
def test_what_breaks_before_the_message_is_no_doubt(step: str, how: str) -> None:
    with scripted(server(step, BREAKS[how])) as port, pytest.raises((NetworkError, Refused)) as failed:
        channel(port, timeout_s=SLOW_S).tell("ops", telling())
    assert f"127.0.0.1:{port}" in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("how", BREAKS)
def test_what_breaks_after_the_final_dot_is_a_doubt(how: str) -> None:
    with (
        scripted(server("end", BREAKS[how])) as port,
        pytest.raises(InDoubt, match=rf"127.0.0.1:{port} may have taken it: .*; look there"),
    ):
        channel(port, timeout_s=SLOW_S).tell("ops", telling())


@pytest.mark.parametrize("how", [*BREAKS, "refused"])
def test_what_breaks_after_the_reply_changes_nothing(how: str) -> None:
    with scripted(server("QUIT", BREAKS.get(how, say("451 no")))) as port:
        channel(port, timeout_s=SLOW_S).tell("ops", telling())


def test_a_reset_amid_the_message_is_no_doubt(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(24 << 20))  # no socket's buffers hold it
    with scripted(server("DATA", _start_and_reset)) as port, pytest.raises(NetworkError):
        channel(port).tell("ops", telling(attachments=(tmp_path / "big.bin",)))


def _start_and_reset(connection: socket.socket) -> None:
    say("354 go on")(connection)
    connection.recv(1_000)
    reset(connection)


@pytest.mark.parametrize("status", [421, 450, 550, 554])
@pytest.mark.parametrize("step", ["greeting", "MAIL", "RCPT", "DATA", "end"])
def test_a_refusal_is_no_doubt(step: str, status: int) -> None:
    with scripted(server(step, say(f"{status} not\x1b now"))) as port, pytest.raises(Refused) as failed:
        channel(port, timeout_s=SLOW_S).tell("ops", telling())
    assert failed.value.smtp_code == status
    assert str(failed.value) == f"127.0.0.1:{port}: the mail server answered {status} not now"


@pytest.mark.parametrize("step", STEPS[:5])
def test_a_reply_that_drips_is_given_up(step: str) -> None:
    with (
        scripted(server(step, lambda connection: drip(connection, b"2"))) as port,
        pytest.raises(NetworkError, match=r"not done within 0\.4 s"),
    ):
        channel(port, limit_s=SLOW_S).tell("ops", telling())


def test_a_last_reply_that_drips_is_a_doubt() -> None:
    with (
        scripted(server("end", lambda connection: drip(connection, b"2"))) as port,
        pytest.raises(InDoubt, match=r"not done within 0\.4 s"),
    ):
        channel(port, limit_s=SLOW_S).tell("ops", telling())


def test_a_reply_that_says_neither_is_a_doubt() -> None:
    with scripted(server("end", say("354 go on"))) as port, pytest.raises(InDoubt, match="answered 354"):
        channel(port, timeout_s=SLOW_S).tell("ops", telling())


def test_an_interruption_after_the_message_left_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    class TimeIsUp(Exception):
        pass

    real = socket.socket.sendall

    def interrupted(self: socket.socket, data: bytes, *rest: int) -> None:
        real(self, data, *rest)
        if data.endswith(word):
            raise TimeIsUp

    monkeypatch.setattr(socket.socket, "sendall", interrupted)
    word = b"\r\n.\r\n"
    with mail_server() as box:
        with pytest.raises(InDoubt, match="TimeIsUp"):
            channel(box.port).tell("ops", telling())
        word = b"data\r\n"
        with pytest.raises(TimeIsUp):
            channel(box.port).tell("ops", telling())


def test_nobody_there() -> None:
    port = unused_port()
    with pytest.raises(NetworkError, match=rf"127.0.0.1:{port}: .*refused; see that it runs"):
        channel(port).tell("ops", telling())
