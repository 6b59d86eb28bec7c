"""A chain of the audit log: what is done to it is found, and named."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chains import attested, chain_of, check, head_of, rechained, said

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.regions import AuditEntry
from lumen_workers.trust.audit.chain import ChainCheck, Head
from lumen_workers.trust.audit.faults import MOST_FAULTS, REASONS
from lumen_workers.trust.audit.rows import FIELDS, GENESIS, digest, hash_of

Rows = list[dict[str, Any]]


def test_a_stored_hash_is_what_it_always_was() -> None:
    entry = AuditEntry(
        chain="a",
        seq=7,
        ts=from_us(1_769_904_000_123_456),
        actor="a/host/kim",
        pipeline="daily",
        region="a",
        trace_id="ab" * 16,
        event="switched on",
        subject="drain/a",
        detail={"ü": [1, None, 0.1], "n": 2},
        prev=GENESIS,
        hash="",
    )
    assert hash_of(entry) == "86a0ff145b37fbbb265bbeffa89f5392e4997159df38fe3c8a4390c29a26efe2"


@pytest.mark.parametrize("length", [0, 1, 2, 30])
def test_an_honest_chain_holds(length: int) -> None:
    rows = chain_of(length)
    report = check(rows, head_of(rows), [attested(row) for row in rows])
    assert (report.faults, report.rows, (report.seq, report.sha256)) == ((), length, head_of(rows))


OTHER = {
    "ts": "2026-02-01T00:00:00.000007+00:00",
    "detail": {"n": 5.0, "ü": [1, None]},
    "trace_id": "f" * 32,
    "prev": "f" * 64,
    "hash": "f" * 64,
}


@pytest.mark.parametrize("place", [1, 5, 9])
@pytest.mark.parametrize("column", sorted(set(FIELDS) - {"chain", "seq"}))
def test_a_column_that_was_edited(column: str, place: int) -> None:
    rows = chain_of(9)
    rows[place - 1][column] = OTHER.get(column, "x")
    assert said(check(rows, head_of(chain_of(9)))) == [(place, "edited")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seq", "x"),
        ("seq", True),
        ("seq", 0),
        ("ts", 5),
        ("ts", "2026-02-01"),
        ("detail", "{"),
        ("trace_id", 1),
        ("hash", "F" * 64),
        ("actor", None),
        ("actor", b"a"),
    ],
)
def test_what_can_be_no_line(column: str, value: object) -> None:
    rows = chain_of(9)
    rows[4][column] = value
    assert "malformed" in {reason for _, reason in said(check(rows, head_of(chain_of(9))))}


def test_a_line_edited_with_its_hash_but_not_the_next() -> None:
    rows = chain_of(9)
    rows[4]["actor"] = "a/host/eve"
    rows[4]["hash"] = digest(rows[4])
    assert said(check(rows, head_of(chain_of(9)))) == [(5, "edited")]


@pytest.mark.parametrize(
    ("taken", "reason"), [((1,), "removed"), ((5,), "removed"), ((4, 5, 6), "removed"), ((9,), "truncated")]
)
def test_lines_that_are_gone(taken: tuple[int, ...], reason: str) -> None:
    rows = [row for row in chain_of(9) if row["seq"] not in taken]
    assert said(check(rows, head_of(chain_of(9)))) == [(taken[0], reason)]


@pytest.mark.parametrize("taken", [(1,), (5,), (8,), (3, 4, 5)])
def test_lines_that_are_gone_and_the_rest_numbered_anew(taken: tuple[int, ...]) -> None:
    rows = [row for row in chain_of(9) if row["seq"] not in taken]
    for seq, row in enumerate(rows, start=1):
        row["seq"] = seq
    report = check(rows, Head(len(rows), rows[-1]["hash"]))
    assert (taken[0], "removed") in said(report)
    assert {reason for _, reason in said(report)} <= {"removed", "head_mismatch"}


@pytest.mark.parametrize("place", [1, 2, 8, 9])
def test_a_line_put_in_and_the_rest_numbered_anew(place: int) -> None:
    rows = chain_of(8)
    prev = rows[place - 2]["hash"] if place > 1 else GENESIS
    forged = {**chain_of(9)[8], "seq": place, "prev": prev, "actor": "a/host/eve"}
    forged["hash"] = digest(forged)
    for row in rows[place - 1 :]:
        row["seq"] += 1
    rows.insert(place - 1, forged)
    head = Head(9, rows[-1]["hash"])
    reasons = {reason for _, reason in said(check(rows, head))}
    if place == 9:
        assert reasons == set(), "one that is put behind all is only what an append would be"
    else:
        assert "inserted" in reasons
        assert reasons <= {"inserted", "truncated"}


def test_two_lines_that_changed_places() -> None:
    for one, other in ((1, 2), (4, 5), (2, 8), (8, 9), (1, 30), (10, 40)):
        rows = chain_of(40)
        rows[one - 1]["seq"], rows[other - 1]["seq"] = other, one
        rows.sort(key=lambda row: int(row["seq"]))
        assert said(check(rows, head_of(chain_of(40)))) == [(one, "reordered"), (other, "reordered")]


def test_lines_in_another_order() -> None:
    rows = chain_of(9)
    rows[3], rows[4] = rows[4], rows[3]
    assert said(check(rows, head_of(chain_of(9)))) == [(4, "reordered")]


@pytest.mark.parametrize("copied", [1, 5, 30, 40])
def test_a_line_that_stands_twice(copied: int) -> None:
    rows = chain_of(40)
    rows.append({**rows[copied - 1], "seq": 41})
    assert (41, "duplicated") in said(check(rows, Head(41, rows[-1]["hash"])))


def test_the_head_is_held_to_the_last_line() -> None:
    rows = chain_of(9)
    assert said(check(rows, Head(9, "f" * 64))) == [(9, "head_mismatch")]
    assert said(check(rows, Head(8, rows[7]["hash"]))) == [(9, "head_mismatch")]
    assert said(check(rows, Head(12, rows[8]["hash"]))) == [(10, "truncated")]
    assert said(check(rows, None)) == [(None, "unknown_chain")]


def test_lines_that_come_while_it_is_read_are_no_fault() -> None:
    rows = chain_of(9)
    made = ChainCheck("a", (), head_of(rows[:6]))
    for row in rows[:8]:
        made.feed(row)
    assert made.finish(head_of(rows)).faults == ()


def test_only_an_attested_head_tells_a_chain_that_was_made_anew() -> None:
    honest, rows = chain_of(9), chain_of(9)
    rows[2]["actor"] = "a/host/eve"
    forged = rechained(rows)
    assert check(forged, head_of(forged)).faults == ()
    assert check(forged, head_of(forged), [attested(honest[1])]).faults == ()
    assert said(check(forged, head_of(forged), [attested(honest[1]), attested(honest[6])])) == [(7, "rewritten")]
    cut = forged[:6]
    assert said(check(cut, head_of(cut), [attested(honest[6])])) == [(7, "truncated")]
    assert said(check([], None, [attested(honest[6])])) == [(None, "chain_missing")]
    assert said(check([], Head(0, GENESIS), [attested(honest[6])])) == [(1, "truncated")]


def test_it_goes_on_after_a_fault_and_names_only_so_many() -> None:
    rows = chain_of(30)
    rows[3]["actor"] = rows[11]["event"] = "x"
    del rows[20]
    found = said(check(rows, head_of(rows)))
    assert found == [(4, "edited"), (12, "edited"), (21, "removed")]
    many = chain_of(3 * MOST_FAULTS)
    for row in many:
        row["actor"] = "x"
    report = check(many, head_of(many))
    assert (len(report.faults), report.unnamed) == (MOST_FAULTS, 2 * MOST_FAULTS)


def test_a_long_chain_takes_no_memory_of_its_length() -> None:
    def peak(length: int, spoil: Callable[[dict[str, Any]], None]) -> int:
        made = ChainCheck("a", (), None)
        tracemalloc.start()
        try:
            for row in _long(length):
                spoil(row)
                made.feed(row)
            made.finish(None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for spoil in (lambda row: None, lambda row: row.update(event="x")):
        peak(50, spoil)
        assert peak(4000, spoil) < peak(1000, spoil) + 100_000


def _long(length: int) -> Iterator[dict[str, Any]]:
    prev = GENESIS
    row = chain_of(1)[0]
    for seq in range(1, length + 1):
        row = {**row, "seq": seq, "prev": prev}
        prev = row["hash"] = digest(row)
        yield row


TEXTS = st.text(max_size=8)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """A chain, and the same after one thing that somebody did to it."""
    honest = chain_of(draw(st.integers(1, 24)))
    rows = [dict(row) for row in honest]
    place = draw(st.integers(0, len(rows) - 1))
    kind = draw(st.sampled_from(["edit", "edit hash", "remove", "swap", "copy", "renumber", "put in"]))
    if kind == "edit":
        column = draw(st.sampled_from(sorted(set(FIELDS) - {"seq"})))
        before = rows[place][column]
        rows[place][column] = draw(st.one_of(TEXTS, st.integers(), st.none()).filter(lambda value: value != before))
    elif kind == "edit hash":
        rows[place]["detail"] = {"n": draw(st.integers(1000))}
        rows[place]["hash"] = digest(rows[place])
    elif kind == "remove":
        last = draw(st.integers(place, len(rows) - 1))
        del rows[place : last + 1]
    elif kind == "renumber":
        rows[place]["seq"] += draw(st.integers(-40, 40).filter(bool))
        rows.sort(key=lambda row: int(row["seq"]))
    elif kind == "put in":
        after = draw(st.integers(0, len(rows)))
        rows.insert(after, dict(rows[place]))
        for seq, row in enumerate(rows, start=1):
            row["seq"] = seq
    elif kind == "copy":
        rows.append({**rows[place], "seq": len(rows) + 1})
    else:
        other = draw(st.integers(0, len(rows) - 1))
        rows[place], rows[other] = rows[other], rows[place]
        for row, seq in zip(rows, range(1, len(rows) + 1), strict=True):
            row["seq"] = seq
    return honest, rows


@given(mutated())
def test_whatever_one_does_to_a_chain_is_found(both: tuple[Rows, Rows]) -> None:
    honest, rows = both
    for head in {head_of(honest), Head(len(rows), rows[-1]["hash"] if rows else GENESIS)}:
        report = check(rows, head, [attested(honest[-1])])
        assert bool(report.faults) == (rows != honest)
        assert {reason for _, reason in said(report)} <= set(REASONS)
