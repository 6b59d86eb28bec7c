"""The journal: an id is written once, lines come in the ledger's order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.journal import BAYES, DECISION, JournalEntry

T = datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_an_id_is_written_once(store: SqlStore) -> None:
    first = store.journal.append("main", DECISION, {"kind": "cycle"}, entry_id="td-1", ts=T)
    assert first is not None
    assert store.journal.append("main", DECISION, {"kind": "other"}, entry_id="td-1") is None
    assert store.journal.get("td-1") == first
    assert first.data == {"kind": "cycle"}
    assert store.journal.get("td-2") is None


def test_lines_without_an_id_are_lines_of_their_own(store: SqlStore) -> None:
    made = [store.journal.append("main", BAYES, {"n": 1}) for _ in range(3)]
    assert len({entry.entry_id for entry in made if entry}) == 3
    assert [entry.seq for entry in store.journal.rows(BAYES)] == [1, 2, 3]


def test_rows_are_narrowed_by_kind_loop_time_and_watermark(store: SqlStore) -> None:
    for number in range(4):
        store.journal.append("main", BAYES, {"n": number}, ts=T + timedelta(minutes=number))
    store.journal.append("demo", BAYES, {"n": 9}, ts=T)
    store.journal.append("main", DECISION, {"n": 8}, ts=T)
    assert [e.data["n"] for e in store.journal.rows(BAYES, "main")] == [0, 1, 2, 3]
    assert [e.data["n"] for e in store.journal.rows(BAYES, "main", upto=2)] == [0, 1]
    assert [e.data["n"] for e in store.journal.rows(BAYES, "main", limit=2)] == [2, 3]
    between = store.journal.rows(BAYES, "main", start=T + timedelta(minutes=1), end=T + timedelta(minutes=3))
    assert [e.data["n"] for e in between] == [1, 2]
    assert {e.data["n"] for e in store.journal.rows(loop="demo")} == {9}


def test_import_keeps_ids_and_gives_new_numbers(store: SqlStore) -> None:
    kept = store.journal.append("main", BAYES, {"n": 0}, entry_id="a", ts=T)
    given = [
        JournalEntry(entry_id=name, loop="main", seq=77, kind=BAYES, ts=T + timedelta(seconds=n), data={"n": n})
        for n, name in ((2, "c"), (1, "b"), (0, "a"))
    ]
    assert store.journal.insert(given) == 2
    assert store.journal.insert(given) == 0
    assert [(e.entry_id, e.seq) for e in store.journal.rows(BAYES)] == [("a", 1), ("b", 2), ("c", 3)]
    assert kept == store.journal.get("a")


def test_an_unknown_loop_is_refused(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        store.journal.append("nowhere", BAYES, {})
