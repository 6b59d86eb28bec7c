"""Chains of the audit log for tests: as honest writers make them, and as a forger would make them anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lumen_workers.domain.clock import from_us, iso
from lumen_workers.trust.audit.chain import ChainCheck, Head
from lumen_workers.trust.audit.faults import AttestedHead, ChainReport
from lumen_workers.trust.audit.rows import GENESIS, digest

START_US = 1_769_904_000_000_000


def chain_of(length: int, name: str = "a") -> list[dict[str, Any]]:
    """An honest chain."""
    rows: list[dict[str, Any]] = [
        {
            "chain": name,
            "seq": seq,
            "ts": iso(from_us(START_US + seq)),
            "actor": f"{name}/host/kim",
            "pipeline": "daily" if seq % 2 else "",
            "region": name,
            "trace_id": f"{seq:032x}" if seq % 3 else None,
            "event": "did",
            "subject": f"s{seq}",
            "detail": {"n": seq, "ü": [1, None]},
        }
        for seq in range(1, length + 1)
    ]
    return rechained(rows)


def rechained(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every line on the one before it, with a hash that holds."""
    made: list[dict[str, Any]] = []
    prev = GENESIS
    for row in rows:
        fresh = {**row, "prev": prev}
        prev = fresh["hash"] = digest(fresh)
        made.append(fresh)
    return made


def head_of(rows: Sequence[dict[str, Any]]) -> Head:
    """The head that the store would name."""
    return Head(rows[-1]["seq"], rows[-1]["hash"]) if rows else Head(0, GENESIS)


def attested(row: dict[str, Any], source: str = "2026-01-31/a.lumen.json") -> AttestedHead:
    """What a day's evidence says of a line."""
    return AttestedHead(chain=row["chain"], seq=row["seq"], sha256=row["hash"], source=source)


def check(
    rows: Sequence[dict[str, Any]], head: Head | None, heads: Sequence[AttestedHead] = (), name: str = "a"
) -> ChainReport:
    """The whole check, as the store's is done."""
    made = ChainCheck(name, heads, head)
    for row in rows:
        made.feed(row)
    if made.doubtful:
        for row in rows:
            made.look_again(row)
    return made.finish(head)


def said(report: ChainReport) -> list[tuple[int | None, str]]:
    """Number and reason of each fault."""
    return [(fault.seq, fault.reason) for fault in report.faults]
