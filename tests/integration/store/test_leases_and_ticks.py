"""Leases, ticks, owed rows and notices."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.store_records import T0, owed

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import LeaseLost
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.runs import Lease, OwedState

MINUTE = timedelta(minutes=1)
GONE = timedelta(0)


def _take(store: SqlStore, holder: str, ttl: timedelta = MINUTE, *, steal: bool = False) -> Lease:
    lease = store.leases.acquire("loop:main", holder, ttl, steal=steal)
    assert lease is not None
    return lease


def test_a_held_lease_is_nobody_elses(store: SqlStore) -> None:
    assert store.leases.get("loop:main") is None
    lease = _take(store, "a")
    assert (lease.holder, lease.epoch) == ("a", 1)
    assert timedelta(seconds=50) < lease.expires - store.now() <= MINUTE
    assert store.leases.acquire("loop:main", "b", MINUTE) is None
    assert store.leases.get("loop:main") == lease
    store.leases.acquire("another", "b", MINUTE)
    assert [row.name for row in store.leases.live()] == ["another", "loop:main"]


def test_an_expired_or_stolen_lease_raises_the_epoch(store: SqlStore) -> None:
    first = _take(store, "a", GONE)
    second = _take(store, "b")
    third = _take(store, "c", steal=True)
    assert [first.epoch, second.epoch, third.epoch] == [1, 2, 3]
    for lost in (first, second):
        with pytest.raises(LeaseLost, match="held by c"):
            store.leases.renew(lost, MINUTE)
        store.leases.release(lost)
    assert store.leases.get("loop:main") == third


def test_renewing_extends_also_what_merely_expired(store: SqlStore) -> None:
    lease = _take(store, "a", GONE)
    renewed = store.leases.renew(lease, MINUTE)
    assert renewed.epoch == lease.epoch
    assert renewed.expires > lease.expires
    assert store.leases.acquire("loop:main", "b", MINUTE) is None


def test_a_released_lease_is_free_and_its_epoch_goes_on(store: SqlStore) -> None:
    lease = _take(store, "a")
    store.leases.release(lease)
    with pytest.raises(LeaseLost):
        store.leases.renew(lease, MINUTE)
    assert _take(store, "a").epoch == 2
    with pytest.raises(LeaseLost):
        store.leases.renew(lease, MINUTE)


def test_a_slot_runs_once_and_none_goes_back(store: SqlStore) -> None:
    asked = [("effects", 5), ("effects", 5), ("effects", 4), ("effects", 7), ("daily", 5)]
    assert [store.ticks.claim(entry, "a", slot) for entry, slot in asked] == [True, False, False, True, True]
    assert store.ticks.claim("effects", "b", 5) is True
    store.ticks.finish("effects", "a", 5, "late")
    store.ticks.finish("effects", "a", 7, "done")
    store.ticks.finish("effects", "a", 7, "twice")
    states = {(s.entry, s.region): s for s in store.ticks.states()}
    assert list(states) == [("daily", "a"), ("effects", "a"), ("effects", "b")]
    done = states["effects", "a"]
    assert (done.slot, done.outcome) == (7, "done")
    assert done.ended is not None
    assert done.started <= done.ended
    assert states["daily", "a"].ended is None
    assert store.ticks.claim("effects", "a", 8) is True
    assert store.ticks.states()[1].outcome is None


def test_since_is_written_at_the_first_call(store: SqlStore) -> None:
    first = store.ticks.since("daily", "a")
    assert store.ticks.since("daily", "a") == first
    assert store.ticks.states() == []
    assert store.ticks.claim("daily", "a", 0) is True
    assert store.ticks.since("daily", "a") == first <= store.ticks.since("daily", "b")


def test_owed_rows_stand_until_they_are_settled_once(store: SqlStore) -> None:
    later = owed("b", created=T0 + MINUTE, region="eu-west-1")
    assert store.owed.add([later, owed("a"), owed("a", payload={})]) == 2
    assert store.owed.add([owed("a")]) == 0
    assert store.owed.due("cross-verify") == [owed("a"), later]
    assert store.owed.due("cross-verify", "eu-west-1") == [later]
    assert store.owed.due("mail") == []
    assert store.owed.settle("cross-verify", "a", OwedState.DONE, by="us-west-2", detail="same root") is True
    assert store.owed.settle("cross-verify", "a", OwedState.FAILED, by="us-west-2") is False
    assert store.owed.settle("cross-verify", "ghost", OwedState.DONE, by="x") is False
    settled = store.owed.rows("cross-verify")[0]
    assert (settled.state, settled.done_by, settled.detail) == (OwedState.DONE, "us-west-2", "same root")
    assert settled.done_at is not None
    assert store.owed.due("cross-verify") == [later]
    with pytest.raises(ValueError, match="done or failed"):
        store.owed.settle("cross-verify", "b", OwedState.DUE, by="x")


def test_a_postponed_row_waits_and_counts(store: SqlStore) -> None:
    store.owed.add([owed("a"), owed("b")])
    store.owed.postpone("cross-verify", "a", store.now() + MINUTE, "remote is away")
    store.owed.postpone("cross-verify", "b", store.now() - MINUTE, "remote is away")
    assert [(row.key, row.tries) for row in store.owed.due("cross-verify")] == [("b", 1)]
    store.owed.settle("cross-verify", "b", OwedState.FAILED, by="x")
    store.owed.postpone("cross-verify", "b", store.now(), "too late")
    waiting, failed = store.owed.rows()
    assert (waiting.tries, waiting.detail, failed.tries, failed.state) == (1, "remote is away", 1, OwedState.FAILED)


def test_an_alarm_is_raised_once(store: SqlStore) -> None:
    assert store.notices.raise_alarm("digest:2026-01-05", "integrity", AlarmSeverity.PAGE, "roots differ") is True
    assert store.notices.raise_alarm("digest:2026-01-05", "integrity", AlarmSeverity.PAGE, "again") is False
    store.notices.raise_alarm("other", "run", AlarmSeverity.TICKET, "")
    assert [(a.key, a.severity, a.detail) for a in store.notices.alarms()] == [
        ("digest:2026-01-05", "page", "roots differ"),
        ("other", "ticket", ""),
    ]


def test_every_refused_message_is_kept(store: SqlStore) -> None:
    first = store.notices.refuse("lumen.daily", "a", "day: not a date", '{"day": "x"}', None)
    second = store.notices.refuse("lumen.daily", "a", "day: not a date", '{"day": "x"}', "t" * 32)
    assert store.notices.letters() == [first, second]
    assert first.letter_id != second.letter_id
