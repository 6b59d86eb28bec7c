"""A repeated trouble is said once in a while, with its count."""

from __future__ import annotations

import logging

import pytest

from lumen_workers.domain.errors import UsageError
from lumen_workers.loop.throttle import Throttle

LOG = logging.getLogger("test.throttle")


def test_repeats_are_counted_per_key(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    throttle = Throttle(LOG, every_s=60)
    for _ in range(3):
        throttle.warn("disk", "full")
    throttle.warn("net", "away")
    now = 160.0
    throttle.warn("disk", "full")
    now = 220.0
    throttle.warn("disk", "full")
    assert [record.message for record in caplog.records] == [
        "full",
        "away",
        "full (2 more since the last time)",
        "full",
    ]


def test_contain_stops_errors_but_not_the_end_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle(LOG)
    with throttle.contain("ours", "it failed") as ours:
        raise UsageError("one line")
    with throttle.contain("bug", "it broke") as bug:
        raise KeyError("x")
    with throttle.contain("fine", "never said") as fine:
        pass
    assert isinstance(ours.error, UsageError)
    assert isinstance(bug.error, KeyError)
    assert fine.error is None
    assert [(record.message, record.exc_info is None) for record in caplog.records] == [
        ("it failed: one line", True),
        ("it broke: 'x'", False),
    ]
    with pytest.raises(KeyboardInterrupt), throttle.contain("end", "never said"):
        raise KeyboardInterrupt
