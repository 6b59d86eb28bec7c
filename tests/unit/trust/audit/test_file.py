"""``audit.log.jsonl`` without a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.chains import attested, chain_of

from lumen_workers.domain.errors import NotFound
from lumen_workers.trust.audit import file as module
from lumen_workers.trust.audit.faults import AttestedHead
from lumen_workers.trust.audit.file import verify_file
from lumen_workers.trust.audit.rows import dump_line, parse_line

A, B = chain_of(6, "a"), chain_of(4, "b")


def written(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / "audit.log.jsonl"
    path.write_bytes(b"".join(dump_line(row) for row in rows))
    return path


def said(path: Path, heads: list[AttestedHead] | None = None) -> list[tuple[str, int | None, str]]:
    return [(fault.chain, fault.seq, fault.reason) for fault in verify_file(path, heads or []).faults]


def test_a_line_comes_back_as_it_was() -> None:
    for row in A:
        assert parse_line(dump_line(row)) == row


def test_a_whole_file_holds_and_chains_may_lie_between_each_other(tmp_path: Path) -> None:
    assert said(written(tmp_path, [*A, *B]), [attested(A[5]), attested(B[2])]) == []
    mixed = sorted([*A, *B], key=lambda row: (row["seq"], row["chain"]))
    report = verify_file(written(tmp_path, mixed))
    assert [(chain.chain, chain.rows) for chain in report.chains] == [("a", 6), ("b", 4)]
    assert report.ok


def test_what_was_done_to_a_file(tmp_path: Path) -> None:
    assert said(written(tmp_path, [*A[:2], *A[3:], *B])) == [("a", 3, "removed")]
    assert said(written(tmp_path, [*A, *B[1::-1], *B[2:]])) == [("b", 1, "reordered")]
    assert said(written(tmp_path, [*A, A[2], *B])) == [("a", 3, "duplicated")]
    assert said(written(tmp_path, [*A, {**B[0], "actor": "x"}, *B[1:]])) == [("b", 1, "edited")]
    assert said(written(tmp_path, A[:4])) == [], "a file does not say how long it was"
    assert said(written(tmp_path, A[:4]), [attested(A[5])]) == [("a", 5, "truncated")]
    assert said(written(tmp_path, A), [attested(B[2])]) == [("b", None, "chain_missing")]
    assert said(written(tmp_path, []), [attested(B[2])]) == [("b", None, "chain_missing")]


NONE = [
    *(b"no JSON", b"[]", b"{}", b'{"chain":1}', b'{"a":1,"a":2}', b"\xff\xfe", b"[" * 100_000, b"x" * 20_000_000),
    json.dumps({**A[3], "ts_utc": A[3]["ts"]}).encode(),
]


@pytest.mark.parametrize("line", NONE, ids=range(len(NONE)))
def test_a_line_that_is_none(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path, [*A, *B])
    path.write_bytes(path.read_bytes() + line + b"\n")
    assert {reason for _, _, reason in said(path)} == {"malformed"}


def test_a_field_too_many_is_no_line_of_ours(tmp_path: Path) -> None:
    path = written(tmp_path, A)
    path.write_bytes(path.read_bytes().replace(b'{"ts_utc"', b'{"more":1,"ts_utc"', 1))
    assert said(path) == [("a", 1, "malformed")]


def test_a_chain_that_is_of_no_region(tmp_path: Path) -> None:
    report = verify_file(written(tmp_path, [*A, *B]), known=("a",))
    assert [(fault.chain, fault.reason) for fault in report.faults] == [("b", "unknown_chain")]
    assert verify_file(written(tmp_path, [*A, *B]), [attested(B[1])], known=("a",)).ok


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="lumen audit export"):
        verify_file(tmp_path / "x")


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", 4)
    seen: list[int] = []
    verify_file(written(tmp_path, [*A, *B]), progress=seen.append)
    assert seen == [4, 8]
