"""What a verification of the audit log found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lumen_workers.domain.records import Record

MOST_FAULTS: Final = 100
"""So many faults of a chain are named; the rest is counted."""

REASONS: Final[Mapping[str, str]] = {
    "malformed": "What stands there can be no line of the log.",
    "edited": "The line is not what was hashed, or the line behind it stands on another one.",
    "removed": "Lines are missing.",
    "inserted": "A line stands where another one has its place.",
    "duplicated": "A line that has its place elsewhere stands here once more.",
    "reordered": "A line stands in the place of another one.",
    "truncated": "The chain ends before a line that its head or a day's evidence names.",
    "head_mismatch": "The head does not name the last line.",
    "unknown_chain": "A chain that has no head, or that is of no region.",
    "chain_missing": "A day's evidence names a chain that is not there.",
    "rewritten": "The line has another hash than a day's evidence says: the chain was made anew.",
    "evidence_refused": "An evidence file in the archive does not hold, so its heads do not count.",
}
"""Reason → what it means."""


@dataclass(frozen=True, kw_only=True)
class AuditFault(Record):
    """Something wrong. ``seq``: the number that the line has; of a missing one, that it had. None: no one line."""

    chain: str
    seq: int | None
    reason: str
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"chain": self.chain, "seq": self.seq, "reason": self.reason, "detail": self.detail}


@dataclass(frozen=True, kw_only=True)
class AttestedHead(Record):
    """What a day's evidence says of a chain: its line ``seq`` has ``sha256``. ``source`` names the evidence."""

    chain: str
    seq: int
    sha256: str
    source: str

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"chain": self.chain, "seq": self.seq, "sha256": self.sha256, "source": self.source}


@dataclass(frozen=True, kw_only=True)
class ChainReport(Record):
    """One chain: rows read, the last line's number and hash (0 and GENESIS for none), the newest attested head."""

    chain: str
    rows: int
    seq: int
    sha256: str
    attested: AttestedHead | None
    faults: tuple[AuditFault, ...]
    unnamed: int = 0
    """Faults beyond those that are named."""


@dataclass(frozen=True, kw_only=True)
class AuditReport(Record):
    """All chains by name. ``heads``: how many attested heads were looked for; ``refused``: evidence that does not hold.

    ``foreign``: how many evidence files are of roots that are not pinned here; they do not count.
    """

    chains: tuple[ChainReport, ...]
    heads: int
    refused: tuple[AuditFault, ...] = ()
    foreign: int = 0

    @property
    def faults(self) -> tuple[AuditFault, ...]:
        """Every named fault, by chain and number."""
        return (*(fault for chain in self.chains for fault in chain.faults), *self.refused)

    @property
    def count(self) -> int:
        """How many faults there are, those without a name among them."""
        return len(self.faults) + sum(chain.unnamed for chain in self.chains)

    @property
    def ok(self) -> bool:
        """Whether there is none."""
        return not self.faults

    @property
    def rows(self) -> int:
        """Lines read."""
        return sum(chain.rows for chain in self.chains)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "rows": self.rows,
            "attested_heads": self.heads,
            "foreign_evidence": self.foreign,
            "chains": [
                {
                    "chain": chain.chain,
                    "rows": chain.rows,
                    "seq": chain.seq,
                    "sha256": chain.sha256,
                    "attested": chain.attested.as_json() if chain.attested else None,
                }
                for chain in self.chains
            ],
            "faults": [fault.as_json() for fault in self.faults],
            "fault_count": self.count,
        }


def with_unknown(reports: Sequence[ChainReport], known: Collection[str] | None) -> tuple[ChainReport, ...]:
    """The reports; a chain that no evidence names and that is not ``known`` (regions; None: any) gets a fault."""
    if known is None:
        return tuple(reports)
    return tuple(_judged(report, known) for report in reports)


def _judged(report: ChainReport, known: Collection[str]) -> ChainReport:
    told = any(fault.reason == "unknown_chain" for fault in report.faults)
    if report.chain in known or report.attested is not None or told:
        return report
    fault = AuditFault(chain=report.chain, seq=None, reason="unknown_chain", detail="it is of no region")
    return replace(report, faults=(*report.faults, fault))
