"""The journal: lines about a loop that are written once and never changed, each kind with its file form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lumen_workers.domain.records import Record

GATEWAY: Final = "gateway"
COMMAND: Final = "command"
BRACKET: Final = "bracket"
BANDIT: Final = "bandit"
BAYES: Final = "bayes"
IMPACT: Final = "impact"
DECISION: Final = "decision"
RHYTHM: Final = "rhythm"

FILES: Final[Mapping[str, str]] = {
    GATEWAY: "logs/gateway_sync.log",
    COMMAND: "controls/commands.jsonl",
    BRACKET: "logs/ab_bracket_runs.jsonl",
    BANDIT: "logs/bandit_runs.jsonl",
    BAYES: "logs/bayes_posterior.jsonl",
    IMPACT: "logs/impact_reports.jsonl",
    DECISION: "logs/tuning_decisions.jsonl",
    RHYTHM: "logs/rhythm_sync.jsonl",
}
"""Kind → the file that it is exported to: an object a line; GATEWAY's is a log of text lines."""


@dataclass(frozen=True, kw_only=True)
class JournalEntry(Record):
    """One line. ``seq`` is the loop's ledger number; ``data`` holds JSON values."""

    entry_id: str
    loop: str
    seq: int
    kind: str
    ts: datetime
    data: Mapping[str, Any]
