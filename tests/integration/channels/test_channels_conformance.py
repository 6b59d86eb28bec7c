"""What holds for every channel, each with a real peer."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.peers import http_receiver, mail_server, telling, unused_port

from lumen_workers.adapters.channels.email import EmailChannel
from lumen_workers.adapters.channels.log import LogChannel
from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.adapters.channels.webhook import WebhookChannel
from lumen_workers.domain.errors import InDoubt, LumenError, NotFound, UsageError
from lumen_workers.domain.ports import Channel
from lumen_workers.domain.recipients import Mailbox, MailServer, WebhookTarget

SECRETS = ("hmac-5ecret", "bearer-t0ken", "path-s3cret", "smtp-pa55word")
SENDER = Mailbox(name="Lumen", address="lumen@example.org")


@dataclass
class Bench:
    """A channel, one recipient of it, and a look at what its peer has got: one text for each time it was told."""

    channel: Channel
    received: Callable[[], list[str]]
    away: Channel | None
    """The same one with nobody at the other end; None where there is no other end."""
    recipient: str = "ops"


def webhook(stack: ExitStack, *, slack: bool) -> Bench:
    peer = stack.enter_context(http_receiver())

    def channel(url: str) -> Channel:
        target = WebhookTarget(url=f"{url}/{SECRETS[2]}", slack=slack)
        return WebhookChannel({"ops": target if slack else replace(target, secret=SECRETS[0], token=SECRETS[1])})

    def received() -> list[str]:
        return [json.dumps(json.loads(post.body), ensure_ascii=False) for post in peer.posts]

    return Bench(channel(peer.url), received, channel(f"http://127.0.0.1:{unused_port()}"))


def email(stack: ExitStack) -> Bench:
    box = stack.enter_context(mail_server(login=("lumen", SECRETS[3])))

    def channel(port: int) -> Channel:
        server = MailServer(host="127.0.0.1", port=port, sender=SENDER, user="lumen", password=SECRETS[3])
        return EmailChannel(server, {"ops": Mailbox(name="운영", address="ops@example.org")})

    def received() -> list[str]:
        texts = []
        for mail in box.mails:
            body = mail.message.get_body()
            assert body is not None
            texts.append(f"{mail.message['Subject']}\n{body.get_content()}")
        return texts

    return Bench(channel(box.port), received, channel(unused_port()))


def log(_stack: ExitStack) -> Bench:
    stream = io.StringIO()
    return Bench(LogChannel(stream), lambda: stream.getvalue().splitlines(), None)


def memory(_stack: ExitStack) -> Bench:
    channel = MemoryChannel()
    return Bench(channel, lambda: [f"{told.title}\n{told.text}" for _, told in channel.told], None)


BENCHES: dict[str, Callable[[ExitStack], Bench]] = {
    "log": log,
    "webhook": lambda stack: webhook(stack, slack=False),
    "slack": lambda stack: webhook(stack, slack=True),
    "email": email,
    "memory": memory,
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield BENCHES[request.param](stack)


def test_what_is_told_arrives_once(bench: Bench) -> None:
    for title, text in (("Lumen Daily FAIL", "stage upload failed"), ("루멘 일일 보고 실패", "업로드 <단계> & more")):
        before = len(bench.received())
        bench.channel.tell(bench.recipient, telling(title=title, text=text))
        (got,) = bench.received()[before:]
        got = got.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert title in got
        assert text in got


def test_only_a_line_of_the_log_may_be_told_twice(bench: Bench) -> None:
    assert bench.channel.repeatable is (bench.channel.name == "log")
    for _ in range(2):
        bench.channel.tell(bench.recipient, telling())
    first, second = bench.received()
    assert first == second


def test_it_needs_neither_facts_nor_trace(bench: Bench) -> None:
    bench.channel.tell(bench.recipient, telling(facts={}, trace_id=None, severity="info"))
    assert len(bench.received()) == 1


def test_attachments_are_no_hindrance(bench: Bench, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.7")
    bench.channel.tell(bench.recipient, telling(attachments=(report,)))
    assert len(bench.received()) == 1


def test_a_line_break_in_a_title_makes_no_line_of_its_own(bench: Bench) -> None:
    """It is either refused or told as a part of the title."""
    for title in ("a\r\nBcc: x@example.org", "a\nb: page: forged", "a\rb", "a\x1b[2Jb"):
        before = len(bench.received())
        try:
            bench.channel.tell(bench.recipient, telling(title=title))
        except UsageError:
            assert len(bench.received()) == before
        else:
            assert len(bench.received()) == before + 1


def test_a_peer_that_is_away_surely_has_not_taken_it(bench: Bench) -> None:
    if bench.away is None:
        assert bench.channel.name in ("log", "memory")
        return
    with pytest.raises(Exception) as failed:  # noqa: PT011 — which one is the channel's; what it is not is the matter
        bench.away.tell(bench.recipient, telling())
    assert not isinstance(failed.value, InDoubt)
    assert "\n" not in str(failed.value)


def test_somebody_who_is_not_configured(bench: Bench) -> None:
    if bench.channel.name in ("log", "memory"):
        bench.channel.tell("nobody", telling())
        assert len(bench.received()) == 1
        return
    with pytest.raises(NotFound, match="'nobody'"):
        bench.channel.tell("nobody", telling())
    assert bench.received() == []


def test_no_secret_is_logged_or_shown(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.channel.tell(bench.recipient, telling())
    shown = [repr(bench.channel), repr(vars(bench.channel)), caplog.text]
    if bench.away is not None:
        try:
            bench.away.tell(bench.recipient, telling())
        except (LumenError, OSError, Exception) as error:  # noqa: BLE001 — whichever it is
            shown += [str(error), repr(error), repr(error.__cause__), repr(error.__context__), caplog.text]
    for secret in SECRETS:
        assert not [text for text in shown if secret in text]
