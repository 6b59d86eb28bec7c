"""The record of all runs (one JSON line each), and what it comes to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


class Record:
    """``build/chaos.jsonl``: appended to, never rewritten."""

    def __init__(self, folder: Path) -> None:
        self._lines = folder / "chaos.jsonl"
        self._summary = folder / "chaos.json"
        folder.mkdir(parents=True, exist_ok=True)

    def lines(self) -> list[dict[str, Any]]:
        """Every line; a torn last one, of a suite that was killed, is left out."""
        if not self._lines.exists():
            return []
        found = []
        for line in self._lines.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one."""
        torn = self._lines.exists() and not self._lines.read_bytes().endswith(b"\n") and self._lines.stat().st_size
        with self._lines.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(line, sort_keys=True) + "\n")

    def summarize(self) -> dict[str, Any]:
        """Write ``chaos.json`` and return it."""
        summary = summary_of(self.lines())
        self._summary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        return summary


def summary_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """``{runs, violations, events: {<event>: {runs, violations, recovery_s: {p50, p95}, …}}}``.

    A line with ``late_of`` is no run: it tells of violations of an earlier one that were seen later.
    """
    runs = 0
    events: dict[str, dict[str, Any]] = {}
    for line in lines:
        event = events.setdefault(line["event"], {"runs": 0, "violations": 0, "recovery_s": [], "day_s": []})
        event["violations"] += len(line["violations"])
        if "late_of" in line:
            continue
        runs += 1
        event["runs"] += 1
        for name in ("recovery_s", "day_s"):
            if line[name] is not None:
                event[name].append(line[name])
    for event in events.values():
        for name in ("recovery_s", "day_s"):
            event[name] = {"n": len(event[name]), "p50": quantile(event[name], 0.5), "p95": quantile(event[name], 0.95)}
    return {
        "runs": runs,
        "violations": sum(event["violations"] for event in events.values()),
        "events": dict(sorted(events.items())),
    }


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` of all do not exceed; None for no values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None
