"""Mixtures of Student's t distributions about 0 with different scales: tails and quantiles, for many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEGLIGIBLE: Final = 1e-9
"""Components with less weight are left out."""

_STEPS: Final = 50
_CLOSE: Final = 1e-4
"""A step of Newton's that is this part of x long ends a billionth of x or so away from the solution."""


class Mixture:
    """E × S mixtures of G components: ``weight`` and ``scale`` > 0 are float64[E, S, G], ``free`` float64[E]."""

    def __init__(self, weight: Floats, scale: Floats, free: Floats) -> None:
        self._shape = weight.shape[:2]
        flat = weight.reshape(-1, weight.shape[2])
        row, column = np.nonzero(flat > NEGLIGIBLE)
        self._row, self._rows = row, len(flat)
        self._weight = flat[row, column] / np.bincount(row, flat[row, column], self._rows)[row]
        self._scale = scale.reshape(flat.shape)[row, column]
        self._all_free = np.repeat(free, self._shape[1])
        self._free = self._all_free[row]

    def below(self, x: Floats) -> Floats:
        """P(T ≤ x), float64[E, S]."""
        return self._below(x.ravel()).reshape(self._shape)

    def quantile(self, q: float) -> Floats:
        """The x with P(T ≤ x) = ``q``, float64[E, S]; 0.5 < q < 1. Relative error below 1e-7.

        An approximation of the distribution function leads nearly there; the exact one, twenty times as slow to
        compute, goes the last step.
        """
        from scipy.special import stdtrit

        x = self._mixed(self._scale) * stdtrit(self._all_free, q)
        found = self._newton(self._newton(x, q, self._nearly_below), q, self._below)
        return found.reshape(self._shape)

    def _newton(self, x: Floats, q: float, below: Callable[[Floats], Floats]) -> Floats:
        """Above 0 the function is concave: from the left the steps rise to the solution and never pass it; from the
        right the first one may fall short of 0 and is cut."""
        rising = np.ones(len(x), np.bool_)
        for _ in range(_STEPS):
            following = np.maximum(x + (q - below(x)) / self._density(x), x / 2)
            # Whoever has arrived stays: steps that others still need would change its last bits.
            following = np.where(rising, following, x)
            rising &= np.abs(following - x) > _CLOSE * x
            x = following
            if not rising.any():
                break
        return x

    def _below(self, x: Floats) -> Floats:
        from scipy.special import stdtr

        return self._mixed(stdtr(self._free, x[self._row] / self._scale))

    def _nearly_below(self, x: Floats) -> Floats:
        """Within 1e-5 for x > 0 and 30 degrees of freedom. Source: Wallace, Ann. Math. Stat. 30 (1959) 1124."""
        from scipy.special import ndtr

        z, free = x[self._row] / self._scale, self._free
        return self._mixed(ndtr((8 * free + 1) / (8 * free + 3) * np.sqrt(free * np.log1p(z * z / free))))

    def _density(self, x: Floats) -> Floats:
        from scipy.special import gammaln

        free = self._all_free
        peak = np.exp(gammaln((free + 1) / 2) - gammaln(free / 2)) / np.sqrt(free * np.pi)
        z = x[self._row] / self._scale
        shape = np.exp(-(self._free + 1) / 2 * np.log1p(z * z / self._free))
        found: Floats = peak * self._mixed(shape / self._scale)
        return found

    def _mixed(self, parts: Floats) -> Floats:
        return np.bincount(self._row, self._weight * parts, self._rows).astype(np.float64)
