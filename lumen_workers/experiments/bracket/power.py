"""How long a bracket must be to tell anything, worked out before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from lumen_workers.domain.errors import UsageError
from lumen_workers.effects.figures import bound
from lumen_workers.experiments.bracket.noise import Noise
from lumen_workers.experiments.impact.records import Floats
from lumen_workers.experiments.pace import Pace

MOST_PAIRS: Final = 10_000
NODES: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Power:
    """``needed``: pairs with which a change of ``relevant`` is found with probability ``power``; None: over 10,000.

    ``mde``: the smallest change that the planned ``pairs`` find with that probability, by the paired t interval at
    ``level``. Seconds without holds; ``period_s`` is one period's.
    """

    pairs: int
    period_s: float
    mde: float
    needed: int | None
    duration_s: float
    needed_s: float | None
    relevant: float
    power: float
    level: float


def power(
    noise: Noise,
    pace: Pace,
    pairs: int,
    rate_hz: int,
    relevant: float,
    *,
    sought: float = 0.8,
    level: float = 0.95,
) -> Power:
    """What ``pairs`` pairs can tell, and how many it takes for ``relevant``.

    Raises UsageError for fewer than two pairs, a relevant change that is not above 0, and a level or a power that is
    no probability.
    """
    if pairs < 2:
        raise UsageError(f"power: at least 2 pairs, not {pairs}")
    if not (relevant > 0 and math.isfinite(relevant)):
        raise UsageError(f"power: the relevant change is a number above 0, not {relevant:g}")
    if not (0 < level < 1 and 1 - level < sought < 1):
        raise UsageError(f"power: level {level:g} is in (0, 1), power {sought:g} above {1 - level:g} and below 1")
    sd = noise.difference_sd(pace, rate_hz)
    needed = _needed(relevant / sd, sought, level) if sd > 0 else 2
    return Power(
        pairs=pairs,
        period_s=pace.period_s,
        mde=sd * _detectable(pairs, sought, level),
        needed=needed,
        duration_s=2 * pairs * pace.period_s,
        needed_s=None if needed is None else 2 * needed * pace.period_s,
        relevant=relevant,
        power=sought,
        level=level,
    )


def tell(found: Mapping[str, Power], signal: str) -> str:
    """The plan in a sentence."""
    plan = found[signal]
    took = f"{plan.pairs} pairs of 2 × {plan.period_s:g} s take {_minutes(plan.duration_s)}; "
    took += f"a change of {signal} of {bound(plan.mde, '-')} or more will be seen with {plan.power:.0%} probability"
    if plan.needed is None:
        return f"{took}; for {plan.relevant:g}, {MOST_PAIRS:,} pairs are not enough"
    if plan.needed <= plan.pairs:
        return took
    return f"{took}; for {plan.relevant:g} it takes {plan.needed} pairs ({_minutes(plan.needed_s or 0)})"


def chance_of(size: float, pairs: int, level: float) -> float:
    """Probability that the paired t interval excludes 0 when the mean is ``size`` standard deviations of a difference.

    The tails of the noncentral t as those of a normal, averaged over the quantiles of the deviation: to 1e-4, and
    finite where library functions are not.
    """
    from scipy.special import ndtr, stdtrit

    reach = float(stdtrit(pairs - 1, 0.5 + level / 2)) * _deviations(pairs - 1)
    centre = size * math.sqrt(pairs)
    return float((ndtr(centre - reach) + ndtr(-centre - reach)).mean())


@cache
def _deviations(df: int) -> Floats:
    """Sample standard deviations with ``df`` degrees of freedom at evenly spaced probabilities, in units of the true
    one."""
    from scipy.special import chdtri

    found: Floats = np.sqrt(chdtri(df, (np.arange(NODES) + 0.5) / NODES) / df)
    return found


def _detectable(pairs: int, sought: float, level: float) -> float:
    """The mean difference, in standard deviations of a difference, that ``pairs`` pairs find."""
    low, high = 0.0, 1.0
    while chance_of(high, pairs, level) < sought:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if chance_of(middle, pairs, level) < sought else (low, middle)
    return high


def _needed(size: float, sought: float, level: float) -> int | None:
    low, high = 2, MOST_PAIRS
    if chance_of(size, high, level) < sought:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if chance_of(size, middle, level) < sought else (low, middle)
    return low


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
