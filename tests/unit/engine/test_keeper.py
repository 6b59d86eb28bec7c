"""Leases under renewal."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lumen_workers.domain.clock import SystemClock
from lumen_workers.domain.errors import LeaseLost, StoreUnavailable
from lumen_workers.domain.runs import Lease
from lumen_workers.engine.keeper import keep

LEASE = Lease(name="x", holder="me", epoch=1, expires=datetime(2026, 1, 1, tzinfo=UTC))
TTL = timedelta(seconds=0.15)


class Leases:
    """Answers renewals in turn; the last answer goes on."""

    def __init__(self, *answers: Callable[[], None]) -> None:
        self.answers = list(answers)
        self.count = 0
        self.seen = threading.Semaphore(0)

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        assert (lease, ttl) == (LEASE, TTL)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.count += 1
        self.seen.release()
        answer()
        return lease

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self.seen.acquire(timeout=10)

    acquire = release = get = all = None  # not used


def fine() -> None:
    pass


def away() -> None:
    raise StoreUnavailable("away")


def taken() -> None:
    raise LeaseLost("taken")


def hold(leases: Leases, renewals: int) -> None:
    with keep(leases, LEASE, TTL, SystemClock()):  # type: ignore[arg-type]
        leases.wait(renewals)


def test_a_renewal_belongs_to_the_work_that_it_is_for() -> None:
    work = contextvars.ContextVar("work", default="")
    seen: list[str] = []
    token = work.set("this")
    hold(Leases(lambda: seen.append(work.get())), 2)
    work.reset(token)
    assert set(seen) == {"this"}


def test_it_is_renewed_at_once_and_goes_on() -> None:
    leases = Leases(fine)
    hold(leases, 3)
    count = leases.count
    assert count >= 3
    threading.Event().wait(0.12)
    assert leases.count == count, "the thread has ended with the block"


def test_a_taken_lease_ends_the_block_with_lease_lost() -> None:
    with pytest.raises(LeaseLost, match="taken"):
        hold(Leases(fine, taken), 2)


def test_a_store_that_comes_back_in_time_costs_nothing() -> None:
    hold(Leases(fine, away, fine), 4)


def test_a_store_that_stays_away_for_the_whole_lease_loses_it() -> None:
    leases = Leases(fine, away)

    def work() -> None:
        with keep(leases, LEASE, TTL, SystemClock()) as kept:  # type: ignore[arg-type]
            for _ in range(500):
                if kept.lost is not None:
                    break
                threading.Event().wait(0.02)

    with pytest.raises(LeaseLost, match="not renewed"):
        work()


def test_an_error_of_the_work_is_not_hidden_by_a_lost_lease() -> None:
    leases = Leases(taken)

    def work() -> None:
        with keep(leases, LEASE, TTL, SystemClock()):  # type: ignore[arg-type]
            leases.wait(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
