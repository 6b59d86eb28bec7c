"""The journal: an id is written once, lines come in the ledger's order."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import NotFound, UsageError
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


def test_data_comes_back_as_it_was_told(store: SqlStore) -> None:
    made = store.journal.append("main", BAYES, {"n": None, "list": (1, 2.5), "deep": {1: "위로\n"}, "big": 2**53})
    assert made is not None
    assert made.data == {"n": None, "list": [1, 2.5], "deep": {"1": "위로\n"}, "big": 2**53}
    assert store.journal.get(made.entry_id) == made


@pytest.mark.parametrize("data", [{"p": math.nan}, {"p": {1, 2}}], ids=["nan", "set"])
def test_what_is_no_json_is_refused(store: SqlStore, data: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="plain JSON") as raised:
        store.journal.append("main", BAYES, data)
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="plain JSON"):
        store.journal.insert([JournalEntry(entry_id="x", loop="main", seq=0, kind=BAYES, ts=T, data=data)])
    assert store.journal.rows() == []


def test_an_id_of_another_loop_is_taken_too(store: SqlStore) -> None:
    store.journal.append("main", BAYES, {}, entry_id="a")
    assert store.journal.append("demo", BAYES, {}, entry_id="a") is None
    assert [entry.loop for entry in store.journal.rows()] == ["main"]


def test_first_lines_of_two_homes_are_two_lines(store: SqlStore) -> None:
    other = open_store("sqlite://")
    other.loops.register("main", 5, "host")
    other.journal.append("main", BAYES, {"n": 1})
    store.journal.append("main", BAYES, {"n": 2})
    assert store.journal.insert(other.journal.rows()) == 1
    other.close()


def test_of_several_that_write_one_id_at_once_one_does(store: SqlStore, url: str) -> None:
    others = [open_store(url) for _ in range(4)]
    together = Barrier(len(others))

    def writer(other: SqlStore) -> Callable[[], int]:
        def write() -> int:
            together.wait(10)
            made = [other.journal.append("main", DECISION, {}, entry_id=f"d{n}") for n in range(20)]
            return sum(entry is not None for entry in made)

        return write

    with ThreadPoolExecutor(len(others)) as pool:
        counts = [future.result(60) for future in [pool.submit(writer(other)) for other in others]]
    for other in others:
        other.close()
    assert sum(counts) == 20
    assert sorted(entry.seq for entry in store.journal.rows()) == list(range(1, 21))
