"""Where each file form lies in a loop's folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lumen_workers.domain.journal import FILES

METRICS: Final = "logs/metrics.csv"
EFFECTS: Final = "logs/rules_effects.csv"
HISTORY: Final = "controls/rules_history.jsonl"
QUOTES: Final = "controls/quotes_bank.jsonl"
RISKS: Final = "controls/risk_ledger.jsonl"

FORMS: Final = (METRICS, EFFECTS, HISTORY, QUOTES, RISKS, *FILES.values())
"""Relative POSIX paths, as export writes them and import looks for them."""

Progress = Callable[[str, int], None]
"""Called now and then with a form's relative path and how many of its rows are done."""
