"""Looking as often as one likes: a confidence sequence for the mean of a few normal differences of unknown scatter.

The Bayes factor of a mean μ = δσ with δ ~ N(0, g) against μ = θ, the scale integrated out under its right Haar prior,
is a martingale under θ whatever σ is: the differences enter by the t statistic alone. So by Ville's inequality it ever
exceeds 1/α with probability α at most, and the values that it has not refuted hold the mean at all times together.
Sources: Lai, Ann. Stat. 4 (1976) 265; Wang & Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means
with unknown variance" (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.bracket.noise import NO_SCATTER

SPREAD: Final = 1.0
"""g: effects are expected to be about as large as the scatter of one difference."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The sequence after ``n`` differences; it is empty-handed (None) while it excludes no value at all.

    ``p``: of no effect, by all looks together: one over the Bayes factor, below 1 − level exactly where 0 is excluded.
    """

    n: int
    lo: float | None
    hi: float | None
    p: float | None = None

    @property
    def excludes_zero(self) -> bool:
        return self.lo is not None and self.hi is not None and (self.lo > 0 or self.hi < 0)


def confidence_sequence(differences: Sequence[float], level: float = 0.95, spread: float = SPREAD) -> Running:
    """The values that n differences have not refuted at ``level``, by all looks together.

    With t the t statistic against a value, x = t²/(n − 1) and r = 1 + n·g, the Bayes factor is
    r^(−1/2)·((1 + x)/(1 + x/r))^(n/2); it stays below 1/α where x·(1 − K/r) < K − 1 with K = (√r/α)^(2/n).
    Differences without any scatter, but for rounding, refute everything but their mean: they are of no use here, and
    give no bounds.
    """
    d = np.asarray(differences, np.float64)
    n = len(d)
    if n < 2:
        return Running(n=n, lo=None, hi=None)
    scatter = float(d.std(ddof=1))
    r = 1.0 + n * spread
    k = (math.sqrt(r) / (1.0 - level)) ** (2.0 / n)
    if k >= r or scatter <= NO_SCATTER:
        return Running(n=n, lo=None, hi=None)
    x = (k - 1.0) / (1.0 - k / r)
    reach = math.sqrt(x * (n - 1)) * scatter / math.sqrt(n)
    mean = float(d.mean())
    zero = mean * mean * n / (scatter * scatter) / (n - 1)
    factor = 0.5 * (n * (math.log1p(zero) - math.log1p(zero / r)) - math.log(r))
    return Running(n=n, lo=mean - reach, hi=mean + reach, p=math.exp(min(-factor, 0.0)))
