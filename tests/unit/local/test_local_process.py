"""When a process is started again, and when it is given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from lumen_workers.local.process import Child, ProcessSpec, RestartPolicy, Status
from lumen_workers.local.supervisor import Supervisor


def child() -> Child:
    return Child(ProcessSpec(name="a", argv=("true",)), RestartPolicy())


def test_waits_double_up_to_the_limit() -> None:
    one = child()
    waits = []
    for _ in range(7):
        one.retry(100.0, life=5.0, fatal=False)
        waits.append(one.due - 100.0)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert one.restarts == 7
    assert one.status is Status.BACKOFF


def test_a_healthy_life_starts_the_waits_again() -> None:
    one = child()
    for _ in range(4):
        one.retry(100.0, life=5.0, fatal=False)
    one.retry(100.0, life=60.0, fatal=False)
    assert one.due == 101.0
    one.retry(100.0, life=59.0, fatal=False)
    assert one.due == 102.0


def test_a_process_that_never_stops_failing_does_not_overflow() -> None:
    one = child()
    for _ in range(3000):
        one.retry(0.0, life=5.0, fatal=False)
    assert one.due == 30.0


def test_three_early_fatal_ends_in_a_row_give_up() -> None:
    one = child()
    for fatal in (True, True, False, True, True):
        one.retry(0.0, life=1.0, fatal=fatal)
        assert one.status is Status.BACKOFF
    statuses = []
    for life in (20.0, 1.0, 1.0, 1.0):  # at first it had worked for a while
        one.retry(0.0, life=life, fatal=True)
        statuses.append(one.status)
    assert statuses == [Status.BACKOFF] * 3 + [Status.FAILED]


def test_specs_must_fit_together() -> None:
    a = ProcessSpec(name="a", argv=("true",))
    with pytest.raises(ValueError, match="same name"):
        Supervisor([a, a], home=Path("unused"))
    with pytest.raises(ValueError, match="unknown processes"):
        Supervisor([ProcessSpec(name="b", argv=("true",), after=("c",))], home=Path("unused"))
