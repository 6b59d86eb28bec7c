"""`lumen alert test`: every recipient is tried, whatever happens to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.domain.errors import InDoubt, NetworkError

from .conftest import Command


@pytest.fixture
def ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryChannel]:
    """Two recipients by mail and one by webhook besides the log; nothing leaves this process."""
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("LUMEN_CONFIGS", str(folder))
    monkeypatch.setenv("SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("SMTP_FROM", "lumen@example.org")
    (folder / "notify.yaml").write_text(
        "recipients:\n"
        "  ops: {channel: webhook, url: 'https://hooks.example.org/in-the-path'}\n"
        "  oncall: {channel: email, address: oncall@example.org}\n"
    )
    (folder / "lumen_distribution.yaml").write_text("email_targets: [{name: Readers, address: readers@example.org}]")
    channels = {name: MemoryChannel(name) for name in ("log", "webhook", "email")}
    monkeypatch.setattr("lumen_workers.bootstrap.make_channels", lambda _: channels)
    return channels


def test_all_are_told(lumen: Command, ways: dict[str, MemoryChannel], home: Path) -> None:
    answer = lumen("alert", "test", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert [(row["recipient"], row["channel"], row["address"], row["outcome"]) for row in answer.json] == [
        ("log", "log", None, "sent"),
        ("ops", "webhook", "https://hooks.example.org", "sent"),
        ("oncall", "email", "oncall@example.org", "sent"),
        ("Readers", "email", "readers@example.org", "sent"),
    ]
    told = [telling for channel in ways.values() for _, telling in channel.told]
    assert len(told) == 4
    assert {telling.severity for telling in told} == {"info"}
    shown = lumen("alert", "test")
    assert (shown.code, shown.out.count("sent")) == (0, 4)
    assert ways["log"].told[0][1].message_id != ways["log"].told[1][1].message_id
    assert not home.exists(), "it needs no home"


def test_trouble_is_told_and_what_to_do(lumen: Command, ways: dict[str, MemoryChannel]) -> None:
    ways["webhook"].fail_next(ConnectionRefusedError("connection refused"))
    ways["email"].fail_next(NetworkError("mail.example.org:587: timed out; see that it runs"))
    ways["email"].fail_next(InDoubt("mail.example.org:587 may have taken it; look there"))
    answer = lumen("alert", "test", "--json")
    assert (answer.code, answer.err) == (1, "lumen: not told for sure: ops, oncall, Readers\n")
    assert [(row["outcome"], row["why"], row["mend"]) for row in answer.json] == [
        ("sent", None, None),
        ("failed", "connection refused", "see that the peer runs and that its address is right"),
        ("failed", "mail.example.org:587: timed out", "see that it runs"),
        ("in_doubt", "mail.example.org:587 may have taken it", "look there"),
    ]


def test_only_whom_is_named(lumen: Command, ways: dict[str, MemoryChannel]) -> None:
    rows = lumen("alert", "test", "--to", "Readers", "--to", "ops", "--json").json
    assert [row["recipient"] for row in rows] == ["Readers", "ops"]
    answer = lumen("alert", "test", "--to", "nobody")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "lumen: unknown recipient 'nobody'; the recipients are log, ops, oncall, Readers\n"


def test_the_shipped_configuration_tells_the_log(lumen: Command) -> None:
    answer = lumen("alert", "test")
    assert answer.code == 0
    assert answer.err.startswith("info: Lumen test: nothing is wrong: ")
    assert answer.err.count("\n") == 1
