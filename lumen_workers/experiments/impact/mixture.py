"""Mixtures of Student t distributions: what is known of a number when the noise's phi is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumen_workers.experiments.impact.records import Estimate, Floats


@dataclass(frozen=True, slots=True)
class Mixture:
    """Σ weight · t(df) about ``loc`` with ``scale`` (> 0), all float64[G]; the weights sum to 1."""

    weight: Floats
    loc: Floats
    scale: Floats
    df: float

    @property
    def mean(self) -> float:
        return float(self.weight @ self.loc)

    @property
    def sd(self) -> float:
        """Standard deviation; ``df`` is above 2."""
        inner = self.scale**2 * self.df / (self.df - 2.0) + (self.loc - self.mean) ** 2
        return float(np.sqrt(self.weight @ inner))

    def below(self, value: float) -> float:
        """Probability of at most ``value``."""
        from scipy.special import stdtr

        return float(self.weight @ stdtr(self.df, (value - self.loc) / self.scale))

    def quantile(self, share: float) -> float:
        """The value that the number is below with probability ``share``, found by halving."""
        from scipy.special import stdtrit

        ends = self.loc + self.scale * stdtrit(self.df, share)
        low, high = float(ends.min()), float(ends.max())
        for _ in range(80):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            low, high = (middle, high) if self.below(middle) < share else (low, middle)
        return 0.5 * (low + high)

    def estimate(self, level: float) -> Estimate:
        """Mean and the central interval of ``level``."""
        lo, hi = self.quantile(0.5 - level / 2), self.quantile(0.5 + level / 2)
        return Estimate(effect=min(max(self.mean, lo), hi), lo=lo, hi=hi)

    @property
    def p(self) -> float:
        """Two-sided p-value of 0."""
        below = self.below(0.0)
        return min(1.0, 2.0 * min(below, 1.0 - below))
