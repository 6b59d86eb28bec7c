"""Transparency logs in the store: owed once, sequenced once, and never back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import CheckFailed, LeaseLost
from lumen_workers.domain.evidence import LogHead
from lumen_workers.domain.runs import Lease

ORIGIN, OTHER = "example.org/log", "example.org/other"
MINUTE = timedelta(minutes=1)


def _take(store: SqlStore, *, steal: bool = False) -> Lease:
    lease = store.leases.acquire(f"log/{ORIGIN}", "a", MINUTE, steal=steal)
    assert lease is not None
    return lease


def _head(store: SqlStore, size: int, root: int = 0, origin: str = ORIGIN, note: bytes = b"note") -> LogHead:
    return LogHead(origin=origin, size=size, root=bytes([root]) * 32, note=note, signed_at=store.now())


def test_an_empty_store_owes_nothing(store: SqlStore) -> None:
    assert store.logs.pending(ORIGIN) == store.logs.rows() == []
    assert store.logs.heads() == []
    assert store.logs.head(ORIGIN) is None
    assert store.logs.get(ORIGIN, "key") is None


def test_an_entry_is_owed_once_for_a_key(store: SqlStore) -> None:
    first = store.logs.enqueue(ORIGIN, "key", b"\0entry\xff", b"envelope")
    assert (first.origin, first.key, first.entry, first.envelope) == (ORIGIN, "key", b"\0entry\xff", b"envelope")
    assert first.position is None
    assert abs(store.now() - first.queued_at) < MINUTE
    assert store.logs.enqueue(ORIGIN, "key", b"another", b"") == first
    assert store.logs.get(ORIGIN, "key") == first
    assert store.logs.pending(ORIGIN) == [first]


def test_logs_do_not_see_each_others_entries(store: SqlStore) -> None:
    here, there = (store.logs.enqueue(origin, "key", origin.encode(), b"") for origin in (ORIGIN, OTHER))
    assert (here.entry, there.entry) == (ORIGIN.encode(), OTHER.encode())
    lease = _take(store)
    store.logs.advance(_head(store, 1), {"key": 0}, lease)
    assert store.logs.pending(ORIGIN) == []
    assert store.logs.pending(OTHER) == [there]
    assert store.logs.head(OTHER) is None


def test_what_is_owed_comes_in_its_order_and_in_batches(store: SqlStore) -> None:
    keys = [f"key {number % 7} {number}" for number in range(20)]
    for key in keys:
        store.logs.enqueue(ORIGIN, key, key.encode(), b"")
    assert [row.key for row in store.logs.pending(ORIGIN)] == keys
    assert [row.key for row in store.logs.pending(ORIGIN, 6)] == keys[:6]


def test_a_tree_and_its_positions_come_together(store: SqlStore) -> None:
    for number in range(5):
        store.logs.enqueue(ORIGIN, f"key {number}", b"%d" % number, b"envelope")
    lease = _take(store)
    head = _head(store, 3, note=b"\x80a note")
    store.logs.advance(head, {f"key {number}": number for number in range(3)}, lease)
    assert store.logs.head(ORIGIN) == head
    assert store.logs.heads() == [head]
    assert [row.key for row in store.logs.pending(ORIGIN)] == ["key 3", "key 4"]
    assert [(row.key, row.position) for row in store.logs.rows()] == [("key 2", 2), ("key 1", 1), ("key 0", 0)]
    assert [row.key for row in store.logs.rows(limit=1)] == ["key 2"]
    assert store.logs.enqueue(ORIGIN, "key 1", b"another", b"").position == 1


def test_a_tree_grows_and_may_be_told_again(store: SqlStore) -> None:
    lease = _take(store)
    for size, note in ((0, b"0"), (3, b"3"), (3, b"3 with a cosignature"), (9, b"9")):
        head = _head(store, size, root=size, note=note)
        store.logs.advance(head, {}, lease)
        assert store.logs.head(ORIGIN) == head


@pytest.mark.parametrize(("size", "root"), [(2, 3), (0, 0), (3, 4)])
def test_a_smaller_tree_or_another_of_its_size_is_refused(store: SqlStore, size: int, root: int) -> None:
    store.logs.enqueue(ORIGIN, "key", b"entry", b"")
    lease = _take(store)
    standing = _head(store, 3, root=3)
    store.logs.advance(standing, {}, lease)
    with pytest.raises(CheckFailed, match="signed a tree of 3 entries already"):
        store.logs.advance(_head(store, size, root=root), {"key": 0}, lease)
    assert store.logs.head(ORIGIN) == standing
    assert [row.position for row in store.logs.pending(ORIGIN)] == [None]


def test_nothing_is_recorded_under_a_lost_lease(store: SqlStore) -> None:
    store.logs.enqueue(ORIGIN, "key", b"entry", b"")
    lost, lease = _take(store), _take(store, steal=True)
    with pytest.raises(LeaseLost):
        store.logs.advance(_head(store, 1), {"key": 0}, lost)
    assert store.logs.head(ORIGIN) is None
    assert len(store.logs.pending(ORIGIN)) == 1
    store.logs.advance(_head(store, 1), {"key": 0}, lease)
    store.leases.release(lease)
    with pytest.raises(LeaseLost):
        store.logs.advance(_head(store, 2), {}, lease)


def test_heads_of_several_logs_by_origin(store: SqlStore) -> None:
    lease = _take(store)
    for origin in ("c", "a", "b"):
        store.logs.advance(_head(store, 1, origin=origin), {}, lease)
    assert [head.origin for head in store.logs.heads()] == ["a", "b", "c"]
