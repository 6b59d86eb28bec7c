"""What a bracket says of one signal: paired analysis of the means of its periods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.experiments import Period
from lumen_workers.domain.signals import GOOD, SIGNALS
from lumen_workers.effects.verdicts import Verdict, verdict
from lumen_workers.experiments.bracket.noise import NO_SCATTER
from lumen_workers.experiments.bracket.sequential import confidence_sequence

Floats = NDArray[np.float64]

EXACT: Final = 16
"""Pairs up to which every assignment is gone through; above, so many are drawn:"""
DRAWS: Final = 20_000
_ROWS: Final = 1_000
TIMES_TAU: Final = 3.0
"""A washout shorter than this many time constants leaves a part of the old value in what is measured."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair whose periods both have a mean. ``b_first``: its order; ``after_b``: whether B was held just before it."""

    number: int
    a: float
    b: float
    b_first: bool
    after_b: bool | None

    @property
    def difference(self) -> float:
        return self.b - self.a


@dataclass(frozen=True, kw_only=True)
class Span:
    """An interval, and the p-value of no effect."""

    lo: float
    hi: float
    p: float | None


@dataclass(frozen=True, kw_only=True)
class CarryOver:
    """How much of B's effect is still there a period later, in units of the signal; None: too few pairs tell.

    ``p``: of none.
    """

    estimate: float
    lo: float
    hi: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """B against A for one signal. ``lo`` and ``hi`` are the interval to quote at ``level``, ``p`` that of no effect.

    They are those of the paired t test; where an experiment may have ended by what it showed (``looked``), those of the
    always-valid sequence, and None while that excludes nothing. The verdict follows from them.
    ``randomisation``: by the order that was drawn, without any assumption on the noise; None where none was drawn.
    ``running``: [lo, hi] of the always-valid sequence. ``pairs`` that count, ``missing`` ones that do not.
    """

    effect: float | None
    lo: float | None
    hi: float | None
    level: float
    p: float | None
    randomisation: Span | None
    running: Sequence[float] | None
    looked: bool
    carry_over: CarryOver | None
    pairs: int
    missing: int
    verdict: Verdict

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "verdict": self.verdict.value}


def pairs_of(periods: Sequence[Period], signal: str) -> tuple[list[Pair], int]:
    """The pairs whose periods have both ended with a mean of ``signal``, and how many have ended without."""
    found: list[Pair] = []
    missing = 0
    by_pair: dict[int, list[Period]] = {}
    for period in periods:
        if period.pair is not None and period.ended is not None:
            by_pair.setdefault(period.pair, []).append(period)
    before: dict[int, str] = {p.number + 1: p.arm for p in periods}
    for number, both in sorted(by_pair.items()):
        if len(both) < 2:
            continue
        means = {period.arm: period.means[signal] for period in both if period.means is not None}
        if len(means) < 2:
            missing += 1
            continue
        first = min(both, key=lambda period: period.number)
        earlier = before.get(first.number)
        found.append(
            Pair(
                number=number,
                a=means["A"],
                b=means["B"],
                b_first=first.arm == "B",
                after_b=None if earlier is None else earlier == "B",
            )
        )
    return found, missing


def analyse(
    periods: Sequence[Period],
    signal: str,
    *,
    seed: int,
    randomised: bool,
    level: float = 0.95,
    relevant: float = 0.01,
    looked: bool = False,
) -> Answer:
    """The answer for ``signal``. Never NaN: with fewer than two pairs, or no scatter at all, it is insufficient.

    ``looked``: whether the number of pairs may have come from what they showed.
    """
    found, missing = pairs_of(periods, signal)
    d = np.array([pair.difference for pair in found])
    n = len(d)
    if n < 2 or float(d.std(ddof=1)) <= NO_SCATTER:
        return Answer(
            effect=float(d.mean()) if n else None,
            lo=None,
            hi=None,
            level=level,
            p=None,
            randomisation=None,
            running=None,
            looked=looked,
            carry_over=None,
            pairs=n,
            missing=missing,
            verdict=Verdict.INSUFFICIENT,
        )
    sequence = confidence_sequence(d.tolist(), level)
    always = None if sequence.lo is None or sequence.hi is None else Span(lo=sequence.lo, hi=sequence.hi, p=sequence.p)
    span = always if looked else paired_t(d, level)
    return Answer(
        effect=float(d.mean()),
        lo=None if span is None else span.lo,
        hi=None if span is None else span.hi,
        level=level,
        p=None if span is None else span.p,
        randomisation=randomisation(d, seed, level) if randomised else None,
        running=None if always is None else (always.lo, always.hi),
        looked=looked,
        carry_over=carry_over(found, level),
        pairs=n,
        missing=missing,
        verdict=verdict(span, GOOD[signal], relevant),
    )


def paired_t(d: Floats, level: float) -> Span:
    """The t interval of the mean of n ≥ 2 differences, and the p-value of 0."""
    from scipy.special import stdtr, stdtrit

    n, mean = len(d), float(d.mean())
    se = float(d.std(ddof=1)) / math.sqrt(n)
    reach = float(stdtrit(n - 1, 0.5 + level / 2)) * se
    return Span(lo=mean - reach, hi=mean + reach, p=min(1.0, 2.0 * float(stdtr(n - 1, -abs(mean) / se))))


def randomisation(d: Floats, seed: int, level: float) -> Span:
    """The test that the drawn order itself gives: under no effect each pair's difference had either sign.

    All 2ⁿ assignments up to EXACT pairs, else DRAWS drawn from ``seed`` (the observed one counts among them). The
    interval holds the effects that the same test does not refute: with the pairs F turned round and C not, the mean is
    as far from an effect above it as the observed one exactly when the mean of F or that of C reaches the effect. So
    the ends are order statistics of these means. Sources: Fisher, The Design of Experiments (1935); Hartigan, J. Am.
    Stat. Assoc. 64 (1969) 1303; for switchbacks Bojinov, Simchi-Levi & Zhao, Manage. Sci. 69 (2023) 3759.
    """
    low, high, as_large = [], [], 0
    n, total = len(d), float(d.sum())
    for turned in _assignments(n, seed):
        count, part = turned.sum(axis=1), turned @ d
        as_large += int((np.abs(total - 2.0 * part) >= abs(total) - n * NO_SCATTER).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.stack([part / count, (total - part) / (n - count)])
        # An empty set refutes no effect at all.
        empty = np.stack([count == 0, count == n])
        low.append(np.where(empty, -math.inf, means).min(axis=0))
        high.append(np.where(empty, math.inf, means).max(axis=0))
    below, above = np.sort(np.concatenate(low)), np.sort(np.concatenate(high))
    rows = len(below)
    out = math.floor((1.0 - level) * rows + 1e-6)
    # A change of a signal is within ±1: where too few pairs refute nothing, that is all there is to say.
    return Span(lo=max(float(below[out]), -1.0), hi=min(float(above[rows - 1 - out]), 1.0), p=as_large / rows)


def carry_over(pairs: Sequence[Pair], level: float) -> CarryOver | None:
    """How much the value held before still shows, from the orders that were drawn.

    With a part γ of the difference carried into the next period, a pair's difference is effect + γ·(b₋ − a₋), where b₋
    and a₋ say whether B was held before its B and before its A. γ is the slope; None where the orders give none.
    """
    from scipy.special import stdtr, stdtrit

    known = [(pair, pair.after_b) for pair in pairs if pair.after_b is not None]
    x = np.array([float(after_b) - 1.0 if pair.b_first else -float(after_b) for pair, after_b in known])
    d = np.array([pair.difference for pair, _ in known])
    if len(known) < 4 or x.std() == 0:
        return None
    centred = x - x.mean()
    slope = float((centred * d).sum() / (centred * centred).sum())
    rest = d - d.mean() - slope * centred
    se = math.sqrt(float((rest * rest).sum()) / (len(known) - 2) / float((centred * centred).sum()))
    if se < NO_SCATTER:
        return None
    free = len(known) - 2
    reach = float(stdtrit(free, 0.5 + level / 2)) * se
    p = 2.0 * float(stdtr(free, -abs(slope) / se))
    return CarryOver(estimate=slope, lo=slope - reach, hi=slope + reach, p=min(p, 1.0))


def all_signals(
    periods: Sequence[Period], *, seed: int, randomised: bool, level: float, relevant: float, looked: bool = False
) -> Mapping[str, Answer]:
    """Signal → answer."""
    return {
        name: analyse(periods, name, seed=seed, randomised=randomised, level=level, relevant=relevant, looked=looked)
        for name in SIGNALS
    }


def _assignments(n: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """bool[k, n] in parts, True where a pair is turned round: every assignment, or DRAWS drawn ones with the observed
    one first.
    """
    if n <= EXACT:
        yield ((np.arange(2**n, dtype=np.int64)[:, None] >> np.arange(n)) & 1).astype(np.bool_)
        return
    # A stream that the drawn order itself (``design.schedule``) never comes to.
    generator = np.random.Generator(np.random.Philox(key=seed, counter=1 << 128))
    for start in range(0, DRAWS, _ROWS):
        drawn = generator.integers(0, 2, (min(_ROWS, DRAWS - start), n), dtype=np.int8).astype(np.bool_)
        if not start:
            drawn[0] = False
        yield drawn
