"""What a day's report says, before it is worded. Made from a seal and the rows under its watermark only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from lumen_workers.domain.records import Effect, EffectStatus, Quote, Risk, RuleEvent, Severity, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.discoveries import RATE
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.loop.coverage import Coverage
from lumen_workers.reports.series import Axis, Series

TOP = 3
"""How many quotes are highlights, and how many risks are shown."""


@dataclass(frozen=True)
class Change:
    """A rule event of the period; ``number`` counts from 1 in each loop and marks it in charts and tables.

    ``effect`` is None while it was not measured yet (its post window was not complete under the watermark). ``q``:
    signal → false discovery rate among all of the day's effects; signals without an interval are not in it.
    """

    number: int
    event: RuleEvent
    effect: Effect | None
    q: Mapping[str, float] = field(default_factory=dict)

    def signal(self, name: str) -> SignalEffect | None:
        """The stored numbers of a signal; None while there are none."""
        if self.effect is None or self.effect.status is not EffectStatus.COMPUTED:
            return None
        return self.effect.signals.get(name)

    def delta(self, name: str) -> float | None:
        """Stored Δ of a signal on raw samples; None when there is none."""
        found = self.signal(name)
        return found.delta if found else None

    def told(self) -> dict[str, str]:
        """Signal → verdict of those whose change can be told from none."""
        found = {name: signal for name in SIGNALS if (signal := self.signal(name)) is not None}
        return {name: s.verdict for name, s in found.items() if s.verdict in (Verdict.IMPROVED, Verdict.WORSENED)}

    def evidence(self, name: str) -> float:
        """|Δ| of a signal in standard errors; 0 without an interval."""
        found = self.signal(name)
        if found is None or found.delta is None or found.se is None:
            return 0.0
        return abs(found.delta) / found.se if found.se else math.inf

    @property
    def strength(self) -> float:
        """The strongest evidence of all signals."""
        return max(map(self.evidence, SIGNALS))

    @property
    def clearest(self) -> str | None:
        """The signal with the strongest evidence among those that can be told (the first among equals)."""
        return max(self.told(), key=self.evidence, default=None)


@dataclass(frozen=True)
class Told:
    """Of how many measured changes a signal improved (``better``), worsened (``worse``), both; nothing can be told.

    ``unjudged``: measured before effects had intervals.
    """

    better: int
    worse: int
    both: int
    nothing: int
    unjudged: int


@dataclass(frozen=True)
class Discoveries:
    """Of ``tests`` intervals of the day ``told`` exclude zero, of which ``kept`` have a q at or below RATE."""

    tests: int
    told: int
    kept: int


@dataclass(frozen=True)
class Trial:
    """An experiment that ended in the period. Of a bracket ``b`` against ``a``: the answer for its primary ``signal``;
    of a bandit the ``best`` value and the probability that it is. What could not be told is None.
    """

    experiment_id: str
    rule: str
    done: bool
    a: float | None = None
    b: float | None = None
    signal: str | None = None
    effect: float | None = None
    lo: float | None = None
    hi: float | None = None
    verdict: Verdict | None = None
    best: float | None = None
    p_best: float | None = None


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
    """One loop's part of the day. ``series`` is None without samples; ``occupancy`` then counts nothing.

    ``trials``: experiments that ended; ``journal``: kind → lines.
    """

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
    trials: tuple[Trial, ...] = ()
    journal: Mapping[str, int] = field(default_factory=dict)

    def tally(self) -> tuple[int, int, int]:
        """Changes that were measured, that had too few samples, and that were not measured yet."""
        computed = sum(c.effect is not None and c.effect.status is EffectStatus.COMPUTED for c in self.changes)
        waiting = sum(c.effect is None for c in self.changes)
        return computed, len(self.changes) - computed - waiting, waiting

    def told(self) -> Told:
        """What can be told of the measured changes."""
        better = worse = both = nothing = unjudged = 0
        for change in self.changes:
            if change.effect is None or change.effect.status is not EffectStatus.COMPUTED:
                continue
            verdicts = set(change.told().values())
            better += Verdict.IMPROVED in verdicts
            worse += Verdict.WORSENED in verdicts
            both += len(verdicts) == 2
            judged = any(signal.verdict is not None for signal in change.effect.signals.values())
            nothing += judged and not verdicts
            unjudged += not judged
        return Told(better, worse, both, nothing, unjudged)

    def drawn(self, most: int) -> tuple[Change, ...]:
        """The changes with an interval, by time; of more than ``most`` those with the strongest evidence."""
        able = [c for c in self.changes if any(s is not None and s.lo is not None for s in map(c.signal, SIGNALS))]
        chosen = sorted(able, key=lambda c: (-c.strength, c.number))[:most]
        return tuple(sorted(chosen, key=lambda c: c.number))


@dataclass(frozen=True)
class DayReport:
    """A day's report. ``cutoff`` (exclusive) bounds what it holds; loops are sorted by name.

    ``root_fingerprint`` is that of the root certificate which the sealing region trusts; None in older seals.
    """

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
    root_fingerprint: str | None
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
    def discoveries(self) -> Discoveries:
        """How many intervals of the day exclude zero, and how many of these stand among so many."""
        rows = [(change, change.told()) for loop in self.loops for change in loop.changes]
        kept = sum(name in change.q and change.q[name] <= RATE for change, told in rows for name in told)
        return Discoveries(sum(len(change.q) for change, _ in rows), sum(len(told) for _, told in rows), kept)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the day's intervals: one, unless some were imported."""
        signals = (change.signal(name) for loop in self.loops for change in loop.changes for name in SIGNALS)
        return tuple(sorted({s.level for s in signals if s is not None and s.level is not None}))

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
