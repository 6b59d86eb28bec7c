"""The audit log in a real store against somebody with SQL at hand: every change is found and named."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.chains import rechained

from lumen_workers.adapters.store import SqlStore
from lumen_workers.adapters.store.schema import audit
from lumen_workers.domain.clock import to_us
from lumen_workers.engine.audit import export_audit, verify_store
from lumen_workers.trust.audit.faults import AttestedHead, AuditReport
from lumen_workers.trust.audit.file import verify_file
from lumen_workers.trust.audit.rows import GENESIS, parse_line

KNOWN = ("a", "b")

HEAD_AT = (
    "UPDATE audit_heads SET seq = :seq, hash = (SELECT hash FROM audit WHERE chain = 'a' AND seq = :seq) "
    "WHERE chain = 'a'"
)


@pytest.fixture
def written(store: SqlStore) -> SqlStore:
    """Nine lines of one region, three of another."""
    for number in range(1, 10):
        store.audit.append(
            "a/host/kim",
            "did",
            subject=f"s{number}",
            pipeline="daily",
            region="a",
            trace_id=f"{number:032x}",
            detail={"n": number, "ü": 0.1},
        )
    for _ in range(3):
        store.audit.append("b/host/kim", "did")
    return store


def do(store: SqlStore, *statements: str, **values: Any) -> None:
    with store.database.write() as connection:
        for statement in statements:
            connection.execute(sa.text(statement), values)


def heads_of(store: SqlStore) -> list[AttestedHead]:
    """What a day's evidence would say now."""
    return [
        AttestedHead(chain=chain, seq=seq, sha256=sha256, source="2026-01-31/a.lumen.json")
        for chain, (seq, sha256) in store.audit.chains().items()
    ]


def said(report: AuditReport) -> list[tuple[str, int | None, str]]:
    return [(fault.chain, fault.seq, fault.reason) for fault in report.faults]


def rewrite(store: SqlStore, rows: list[dict[str, Any]]) -> None:
    """Make the chain ``a`` anew from ``rows``, with hashes and a head that hold."""
    made = rechained(rows)
    with store.database.write() as connection:
        connection.execute(sa.delete(audit).where(audit.c.chain == "a"))
        for row in made:
            stored = {
                "ts": to_us(datetime.fromisoformat(row["ts"])),
                "detail": json.dumps(row["detail"], sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            }
            columns = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO audit ({columns}) VALUES ({marks})"), {**row, **stored})
        connection.execute(
            sa.text("UPDATE audit_heads SET seq = :seq, hash = :hash WHERE chain = 'a'"),
            {"seq": made[-1]["seq"] if made else 0, "hash": made[-1]["hash"] if made else GENESIS},
        )


def test_an_honest_log_holds_and_goes_on_holding(written: SqlStore, tmp_path: Path) -> None:
    heads = heads_of(written)
    written.audit.append("a/host/kim", "did more")
    report = verify_store(written.audit, heads, known=KNOWN)
    assert (report.faults, report.rows, report.heads) == ((), 13, 2)
    assert [(chain.chain, chain.rows, chain.seq) for chain in report.chains] == [("a", 10, 10), ("b", 3, 3)]
    assert {chain.chain: (chain.seq, chain.sha256) for chain in report.chains} == written.audit.chains()
    path = tmp_path / "out" / "audit.log.jsonl"
    assert export_audit(written.audit, path) == {"a": 10, "b": 3}
    assert verify_file(path, heads, known=KNOWN).faults == ()
    first = path.read_bytes()
    export_audit(written.audit, path)
    assert path.read_bytes() == first
    rows = [parse_line(line) for line in first.splitlines()]
    assert rows == [*written.audit.raw("a"), *written.audit.raw("b")]
    assert list(json.loads(first.splitlines()[0])) == (
        [
            "ts_utc",
            "actor",
            "pipeline",
            "region",
            "trace_id",
            "event",
            "detail",
            "chain",
            "seq",
            "subject",
            "prev",
            "hash",
        ]
    )


EDITS = {
    "ts": 1,
    "actor": "a/host/eve",
    "pipeline": "other",
    "region": "b",
    "trace_id": "f" * 32,
    "event": "did not",
    "subject": "s0",
    "detail": '{"n":5,"ü":0.2}',
    "prev": "f" * 64,
    "hash": "f" * 64,
}


@pytest.mark.parametrize("column", sorted(EDITS))
def test_an_edited_column(written: SqlStore, column: str) -> None:
    do(written, f"UPDATE audit SET {column} = :value WHERE chain = 'a' AND seq = 5", value=EDITS[column])
    assert said(verify_store(written.audit)) == [("a", 5, "edited")]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("detail", '{"n": 5, "ü": 0.1}', "malformed"),
        ("detail", '{"n":4,"n":5,"ü":0.1}', "malformed"),
        ("detail", "no JSON", "malformed"),
        ("trace_id", None, "edited"),
        ("ts", 2**62, "malformed"),
        ("prev", "", "malformed"),
    ],
)
def test_what_no_writer_of_ours_writes(written: SqlStore, column: str, value: object, reason: str) -> None:
    do(written, f"UPDATE audit SET {column} = :value WHERE chain = 'a' AND seq = 5", value=value)
    assert said(verify_store(written.audit)) == [("a", 5, reason)]


@pytest.mark.parametrize(("seq", "reason"), [(1, "removed"), (5, "removed"), (9, "truncated")])
def test_a_deleted_line(written: SqlStore, seq: int, reason: str) -> None:
    do(written, "DELETE FROM audit WHERE chain = 'a' AND seq = :seq", seq=seq)
    assert said(verify_store(written.audit)) == [("a", seq, reason)]


def test_a_last_line_deleted_together_with_its_head(written: SqlStore) -> None:
    heads = heads_of(written)
    do(
        written,
        "DELETE FROM audit WHERE chain = 'a' AND seq = 9",
        HEAD_AT,
        seq=8,
    )
    assert said(verify_store(written.audit)) == [], "without evidence nobody can know"
    assert said(verify_store(written.audit, heads)) == [("a", 9, "truncated")]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (4, 5), (2, 8), (8, 9)])
def test_two_lines_whose_numbers_were_swapped(written: SqlStore, one: int, other: int) -> None:
    move = "UPDATE audit SET seq = {} WHERE chain = 'a' AND seq = {}"
    do(written, move.format(99, one), move.format(one, other), move.format(other, 99))
    assert said(verify_store(written.audit)) == [("a", one, "reordered"), ("a", other, "reordered")]


def test_two_lines_that_tell_each_others_story(written: SqlStore) -> None:
    story = ("ts", "actor", "pipeline", "region", "trace_id", "event", "subject", "detail")
    columns = ", ".join(f"{name} = (SELECT {name} FROM audit WHERE chain = 'x' AND seq = :of)" for name in story)
    do(
        written,
        "INSERT INTO audit SELECT 'x', "
        + ", ".join(c.name for c in audit.c if c.name != "chain")
        + " FROM audit WHERE chain = 'a'",
    )
    for seq, of in ((3, 7), (7, 3)):
        do(written, f"UPDATE audit SET {columns} WHERE chain = 'a' AND seq = :seq", seq=seq, of=of)
    do(written, "DELETE FROM audit WHERE chain = 'x'")
    assert [row["subject"] for row in written.audit.raw("a")][2:7:4] == ["s7", "s3"]
    assert said(verify_store(written.audit)) == [("a", 3, "edited"), ("a", 7, "edited")]


def test_a_line_that_was_copied(written: SqlStore) -> None:
    columns = ", ".join(column.name for column in audit.c if column.name not in ("chain", "seq"))
    of = f"SELECT chain, 10, {columns} FROM audit WHERE chain = 'a' AND seq = 2"
    do(written, f"INSERT INTO audit (chain, seq, {columns}) {of}")
    assert ("a", 10, "duplicated") in said(verify_store(written.audit))
    do(written, HEAD_AT, seq=10)
    assert said(verify_store(written.audit)) == [("a", 10, "duplicated")]


@pytest.mark.parametrize("seq", [0, -1])
def test_a_line_before_the_first(written: SqlStore, seq: int) -> None:
    columns = ", ".join(column.name for column in audit.c if column.name not in ("chain", "seq"))
    do(
        written,
        f"INSERT INTO audit (chain, seq, {columns}) SELECT chain, :seq, {columns} FROM audit "
        "WHERE chain = 'a' AND seq = 2",
        seq=seq,
    )
    assert said(verify_store(written.audit)) == [("a", seq, "malformed")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [("hash = '" + "f" * 64 + "'", "head_mismatch"), ("seq = 8", "head_mismatch"), ("seq = 12", "truncated")],
)
def test_a_head_that_was_changed(written: SqlStore, change: str, reason: str) -> None:
    do(written, f"UPDATE audit_heads SET {change} WHERE chain = 'a'")
    assert {found for _, _, found in said(verify_store(written.audit))} == {reason}


def test_a_chain_made_anew_is_told_by_an_attested_head_alone(written: SqlStore, tmp_path: Path) -> None:
    heads = heads_of(written)
    rows = list(written.audit.raw("a"))
    rows[2] = {**rows[2], "actor": "a/host/eve"}
    rewrite(written, rows)
    assert said(verify_store(written.audit)) == [], "every hash and the head hold again"
    assert said(verify_store(written.audit, heads)) == [("a", 9, "rewritten")]
    written.audit.append("a/host/kim", "did more")
    assert said(verify_store(written.audit, heads)) == [("a", 9, "rewritten")], "also after it has grown"
    path = tmp_path / "audit.log.jsonl"
    export_audit(written.audit, path)
    assert said(verify_file(path, heads)) == [("a", 9, "rewritten")]


def test_a_chain_that_has_vanished(written: SqlStore) -> None:
    heads = heads_of(written)
    do(written, "DELETE FROM audit WHERE chain = 'a'")
    assert said(verify_store(written.audit)) == [("a", 1, "truncated")]
    do(written, "DELETE FROM audit_heads WHERE chain = 'a'")
    assert said(verify_store(written.audit)) == [], "without evidence nobody can know"
    assert said(verify_store(written.audit, heads)) == [("a", None, "chain_missing")]


def test_a_chain_of_somebody_else(written: SqlStore) -> None:
    heads = heads_of(written)
    written.audit.append("eve/host/eve", "did")
    assert said(verify_store(written.audit, heads)) == []
    assert said(verify_store(written.audit, heads, known=KNOWN)) == [("eve", None, "unknown_chain")]
    do(written, "DELETE FROM audit_heads WHERE chain = 'eve'")
    assert said(verify_store(written.audit, heads, known=KNOWN)) == [("eve", None, "unknown_chain")]


def test_a_chain_under_another_name(written: SqlStore) -> None:
    do(written, "UPDATE audit SET chain = 'c' WHERE chain = 'b'")
    found = said(verify_store(written.audit))
    assert ("b", 1, "truncated") in found
    assert {("c", 1, "edited"), ("c", 2, "edited"), ("c", 3, "edited"), ("c", None, "unknown_chain")} <= set(found)
