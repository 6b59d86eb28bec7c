"""Mixtures of Student t distributions: what is known of a number when something about the noise is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Σ weight · t(df) about ``loc`` with ``scale`` (> 0), float64[G] each; the weights sum to 1. ``df`` > 2."""

    weight: Floats
    loc: Floats
    scale: Floats
    df: float | Floats

    @property
    def mean(self) -> float:
        return float(self.weight @ self.loc)

    @property
    def sd(self) -> float:
        """Standard deviation."""
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

    def interval(self, level: float) -> tuple[float, float]:
        """The central interval of ``level``."""
        return self.quantile(0.5 - level / 2), self.quantile(0.5 + level / 2)

    @property
    def p(self) -> float:
        """Two-sided p-value of 0."""
        below = self.below(0.0)
        return min(1.0, 2.0 * min(below, 1.0 - below))
