"""What a day's report says, before it is worded. Made from a seal and the rows under its watermark only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from lumen_workers.domain.records import Effect, EffectStatus, Quote, Risk, RuleEvent, Severity
from lumen_workers.loop.coverage import Coverage
from lumen_workers.reports.series import Axis, Series

TOP = 3
"""How many quotes are highlights, and how many risks are shown."""


@dataclass(frozen=True)
class Change:
    """A rule event of the period; ``number`` counts from 1 in each loop and marks it in charts and tables.

    ``effect`` is None while it was not measured yet (its post window was not complete under the watermark).
    """

    number: int
    event: RuleEvent
    effect: Effect | None

    def delta(self, signal: str) -> float | None:
        """Stored Δ of a signal on raw samples; None when there is none."""
        if self.effect is None or self.effect.status is not EffectStatus.COMPUTED:
            return None
        found = self.effect.signals.get(signal)
        return found.delta if found else None

    @property
    def strength(self) -> tuple[float, str] | None:
        """The largest |Δ| and its signal (the first by name among equals)."""
        if self.effect is None:
            return None
        sizes = [(abs(d), signal) for signal in sorted(self.effect.signals) if (d := self.delta(signal)) is not None]
        return max(sizes, key=lambda size: size[0], default=None)


@dataclass(frozen=True)
class Threshold:
    """A limit of a signal over the period: ``steps`` are (from µs, value), ascending, the first at the start."""

    rule: str
    signal: str
    floor: bool
    steps: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Occupancy:
    """How many samples were in phase lock, and how many were past each threshold (rule → samples)."""

    locked: int
    beyond: Mapping[str, int]


@dataclass(frozen=True)
class LoopDay:
    """One loop's part of the day. ``series`` is None without samples; ``occupancy`` then counts nothing."""

    name: str
    rate_hz: int
    watermark: int
    samples: int
    coverage: Coverage
    axis: Axis
    series: Series | None
    occupancy: Occupancy
    thresholds: tuple[Threshold, ...]
    changes: tuple[Change, ...]
    previous_change: datetime | None
    quotes: tuple[Quote, ...]
    risks: tuple[Risk, ...]

    def tally(self) -> tuple[int, int, int]:
        """Changes that were measured, that had too few samples, and that were not measured yet."""
        computed = sum(c.effect is not None and c.effect.status is EffectStatus.COMPUTED for c in self.changes)
        waiting = sum(c.effect is None for c in self.changes)
        return computed, len(self.changes) - computed - waiting, waiting


@dataclass(frozen=True)
class DayReport:
    """A day's report. ``cutoff`` (exclusive) bounds what it holds; loops are sorted by name."""

    day: date
    zone: ZoneInfo
    locale: str
    revision: int
    provisional: bool
    start: datetime
    cutoff: datetime
    sealed_at: datetime
    seal_digest: str
    prev_digest: str | None
    code_version: str
    loops: tuple[LoopDay, ...]

    @property
    def samples(self) -> int:
        """Samples of all loops."""
        return sum(loop.samples for loop in self.loops)

    @property
    def changes(self) -> int:
        """Rule changes of all loops."""
        return sum(len(loop.changes) for loop in self.loops)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """Every quote of the period, best first."""
        return tuple(sorted((q for loop in self.loops for q in loop.quotes), key=_merit))

    @property
    def highlights(self) -> tuple[Quote, ...]:
        """The best quotes."""
        return self.quotes[:TOP]

    @property
    def line(self) -> Quote | None:
        """The line of the day: the best quote."""
        return next(iter(self.highlights), None)

    @property
    def mean_confidence(self) -> float | None:
        """Mean of the quotes' confidence; None without quotes."""
        quotes = self.quotes
        return math.fsum(q.confidence for q in quotes) / len(quotes) if quotes else None

    @property
    def risks(self) -> tuple[Risk, ...]:
        """Every risk of the period, latest first."""
        rows = [r for loop in self.loops for r in loop.risks]
        return tuple(sorted(rows, key=lambda r: (r.ts, r.loop, r.seq, r.risk_id), reverse=True))

    def severities(self) -> dict[Severity, int]:
        """Risks by severity, the gravest first."""
        counts = Counter(r.severity for r in self.risks)
        return {s: counts[s] for s in (Severity.CRIT, Severity.WARN, Severity.INFO)}


_GOOD = {"phase_diff": -1.0, "risk_band": -1.0, "creative_band": 1.0}


def _merit(quote: Quote) -> tuple[float, float, datetime, str]:
    """Best first: confidence, then the summed change for the better (phase ↓, risk ↓, creative ↑), then the first."""
    gain = math.fsum(sign * quote.delta.get(name, 0.0) for name, sign in _GOOD.items())
    return -quote.confidence, -gain, quote.ts, quote.quote_id
