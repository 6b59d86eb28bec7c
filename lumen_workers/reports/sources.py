"""The files that a report was made from, with how many rows of the period each holds."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_workers.domain.journal import FILES
from lumen_workers.reports.formats import whole
from lumen_workers.reports.model import DayReport
from lumen_workers.reports.wording import Words


@dataclass(frozen=True)
class SourceFile:
    """One file of the snapshot. ``effects`` is (measured, insufficient, pending) where it holds effects."""

    loop: str
    path: str
    rows: int
    upto: int
    effects: tuple[int, int, int] | None = None

    def counts(self, words: Words) -> str:
        """The count, and what it is made of."""
        if self.effects is None:
            return whole(self.rows)
        labels = (words.measured, words.insufficient, words.waiting)
        return ", ".join(f"{label} {whole(n)}" for label, n in zip(labels, self.effects, strict=True))


def sources(report: DayReport) -> list[SourceFile]:
    """Files by loop, in the order of the snapshot's layout."""
    found = []
    for loop in report.loops:
        measured, insufficient, waiting = loop.tally()
        for path, rows in (
            ("logs/metrics.csv", loop.samples),
            ("logs/rules_effects.csv", measured + insufficient),
            ("controls/rules_history.jsonl", len(loop.changes)),
            ("controls/quotes_bank.jsonl", len(loop.quotes)),
            ("controls/risk_ledger.jsonl", len(loop.risks)),
        ):
            effects = (measured, insufficient, waiting) if path.endswith("effects.csv") else None
            found.append(SourceFile(loop.name, f"loops/{loop.name}/{path}", rows, loop.watermark, effects))
        # Of the journal only the files in which something stands: most loops have few kinds of it.
        for kind, path in FILES.items():
            if count := loop.journal.get(kind, 0):
                found.append(SourceFile(loop.name, f"loops/{loop.name}/{path}", count, loop.watermark))
    return found
