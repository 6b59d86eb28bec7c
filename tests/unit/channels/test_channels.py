"""What channels need no peer for."""

from __future__ import annotations

import io
import json
import logging

import pytest
from support.peers import telling

from lumen_workers.adapters.channels import make_channels
from lumen_workers.adapters.channels.log import LogChannel
from lumen_workers.adapters.channels.mail import compose
from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.adapters.channels.smtp import Refused
from lumen_workers.adapters.post import Answered
from lumen_workers.domain.errors import ConfigError, InDoubt, NetworkError, NotFound, UsageError
from lumen_workers.domain.recipients import Contacts, Mailbox, Routes, WebhookTarget, is_loopback, origin
from lumen_workers.pipelines.verdicts import judge

TARGET = WebhookTarget(url="https://hooks.example.org/x")
SENDER = Mailbox(name="Lumen", address="lumen@example.org")


def test_every_channel_is_made_whoever_is_configured() -> None:
    """A row of the outbox may be older than the configuration."""
    channels = make_channels(Contacts(routes=Routes(alarms={}, report=(), everyone=())))
    assert {name: channel.repeatable for name, channel in channels.items()} == {
        "log": True,
        "webhook": False,
        "email": False,
    }
    for name in ("webhook", "email"):
        with pytest.raises(NotFound, match="'gone'"):
            channels[name].tell("gone", telling())
    with pytest.raises(ConfigError, match="SMTP_HOST"):
        make_channels(Contacts(routes=Routes(alarms={}, report=(), everyone=()), mailboxes={"a": SENDER}))[
            "email"
        ].tell("a", telling())


@pytest.mark.parametrize(
    ("severity", "level"), [("page", logging.ERROR), ("ticket", logging.WARNING), ("info", logging.INFO)]
)
def test_the_line_of_the_log_is_json(caplog: pytest.LogCaptureFixture, severity: str, level: int) -> None:
    caplog.set_level(logging.INFO, "lumen.notices")
    stream = io.StringIO()
    LogChannel(stream).tell("ops", telling(severity=severity, title="제목\n\x1b[31mforged: line", text="a\r\nb"))
    ((name, at, text),) = caplog.record_tuples
    assert (name, at) == ("lumen.notices", level)
    assert text.isprintable()
    assert json.loads(text.removeprefix("notice "))["facts"] == {"run": "20260131-us-west-2-01234567", "loss": 0.5}
    assert stream.getvalue() == f"{severity}: 제목 [31mforged: line: a b\n"


def test_the_console_is_standard_error_as_it_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    LogChannel().tell("ops", telling())
    out, err = capsys.readouterr()
    assert (out, err) == ("", "page: Lumen Daily FAIL: stage upload failed\n")


def test_facts_beyond_json_are_refused() -> None:
    for facts in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises((ValueError, TypeError)):
            LogChannel(io.StringIO()).tell("ops", telling(facts=facts))


def test_memory_fails_as_it_is_told_to() -> None:
    channel = MemoryChannel("email")
    channel.fail_next(NetworkError("away"))
    channel.fail_next(InDoubt("perhaps"))
    channel.fail_next(InDoubt("perhaps"), taken=True)
    for error, told in ((NetworkError, 0), (InDoubt, 0), (InDoubt, 1)):
        with pytest.raises(error):
            channel.tell("a", telling())
        assert len(channel.told) == told
    channel.tell("b", telling())
    assert [recipient for recipient, _ in channel.told] == ["a", "b"]
    with pytest.raises(ValueError, match="InDoubt"):
        channel.fail_next(NetworkError("away"), taken=True)


@pytest.mark.parametrize("bad", ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b"])
def test_what_would_add_a_header_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="title"):
        compose(telling(title=bad), SENDER, SENDER)
    with pytest.raises(UsageError, match="message id"):
        compose(telling(message_id=bad), SENDER, SENDER)
    with pytest.raises(UsageError, match="name"):
        compose(telling(), SENDER, Mailbox(name=bad, address="a@example.org"))
    with pytest.raises(UsageError, match="address"):
        compose(telling(), SENDER, Mailbox(name="a", address=f"{bad}@example.org"))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1")),
        *((host, False) for host in ("localhost.example.org", "10.0.0.1", "mail", "127.0.0.1.nip.io")),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_the_part_of_a_url_that_may_be_shown() -> None:
    assert origin("https://user:word@hooks.example.org:8443/T/B/x?key=1#y") == "https://hooks.example.org:8443"
    assert origin("http://[::1]:80/x") == "http://[::1]:80"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        *((Answered(TARGET, status, {}), "build") for status in (301, 400, 404, 410)),
        *((Answered(TARGET, status, {}), "token_expired") for status in (401, 403)),
        *((Answered(TARGET, status, {}), "external_api") for status in (429, 500, 502, 503)),
        *((Refused("mail:587", status, b"no"), "external_api") for status in (421, 450)),
        *((Refused("mail:587", status, b"no"), "build") for status in (550, 554)),
    ],
    ids=str,
)
def test_an_answer_has_the_class_of_its_code(error: Exception, found: str) -> None:
    assert judge(error).error_class == found
