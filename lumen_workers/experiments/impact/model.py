"""Ridge regression of the target on its controls with AR(1) noise, and its forecast of the post-period.

y = a + xᵀb + e, where x are the controls standardised on the pre-period, b ~ N(0, s²/λ) (the ridge penalty λ·|b|²; the
intercept has none) and e is stationary AR(1) noise of variance s². For one phi all is linear and normal: the forecast
is a Student t on n − 1 − k degrees of freedom. phi is not known: the forecast is the mixture over its restricted
likelihood (Harville, J. Am. Stat. Assoc. 72 (1977) 320), every phi being as likely as every other beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.mixture import Mixture
from lumen_workers.experiments.impact.noise import Sums, grid, pair_sum, powers
from lumen_workers.experiments.impact.records import Floats
from lumen_workers.experiments.impact.rows import Rows

_LIGHT: Final = 1e-9
"""Points of phi with less of the likelihood than this are left out."""

_FLOOR: Final = 1e-14
"""Least share of the target's variance that is taken for noise: a perfect fit divides by nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of the pre-period: of the target, and of each control."""

    y_mean: float
    y_sd: float
    x_mean: Floats
    x_sd: Floats

    @classmethod
    def of(cls, rows: Rows) -> Scale:
        """A control that is constant counts as one of deviation 1, which leaves it at 0."""
        sd = rows.x.std(axis=0)
        y_sd = float(rows.y.std())
        return cls(float(rows.y.mean()), y_sd if y_sd > 0 else 1.0, rows.x.mean(axis=0), np.where(sd > 0, sd, 1.0))

    def design(self, rows: Rows) -> Floats:
        """float64[n, 1 + k]: a column of ones and the standardised controls."""
        return np.column_stack([np.ones(len(rows)), (rows.x - self.x_mean) / self.x_sd])

    def target(self, rows: Rows) -> Floats:
        """The standardised target."""
        return (rows.y - self.y_mean) / self.y_sd


@dataclass(frozen=True, slots=True)
class Fit:
    """The model fitted to the pre-period, in standardised units, at G points of phi.

    ``coef`` is float64[G, p], intercept first; ``inverse``, float64[G, p, p], times ``variance``, float64[G], that of
    the noise, is its covariance. ``weight`` is each phi's probability. ``row``, ``value`` and ``step`` are of the last
    pre row.
    """

    scale: Scale
    ridge: float
    phi: Floats
    weight: Floats
    coef: Floats
    inverse: Floats
    variance: Floats
    df: float
    row: Floats
    value: float
    step: int

    @property
    def mean_phi(self) -> float:
        return float(self.weight @ self.phi)

    @property
    def mean_coef(self) -> Floats:
        """The coefficients' mean, standardised units, intercept first."""
        return self.weight @ self.coef

    def effect(self, post: Rows) -> Mixture:
        """The mean of observed − counterfactual over ``post``, in the target's unit."""
        x, y = self.scale.design(post), self.scale.target(post)
        reach = powers(self.phi, post.step - self.step).mean(axis=1)
        pairs = pair_sum(self.phi, post.step)[:, -1] / len(post) ** 2
        return self._mixture(x.mean(axis=0), float(y.mean()), reach, pairs)

    def _mixture(self, x: Floats, y: float, reach: Floats, pairs: Floats) -> Mixture:
        """The last pre row says what noise the post-period begins with; of it ``reach`` is left on average."""
        lever = x[None, :] - reach[:, None] * self.row[None, :]
        loc = y - reach * self.value - np.einsum("gp,gp->g", lever, self.coef)
        spread = np.maximum(pairs - reach**2, 0.0) + np.einsum("gp,gpq,gq->g", lever, self.inverse, lever)
        unit = self.scale.y_sd
        return Mixture(self.weight, unit * loc, unit * np.sqrt(self.variance * spread), self.df)


def fit(pre: Rows, ridge: float) -> Fit:
    """The model of ``pre`` (more rows than controls + 3) with the penalty ``ridge`` (≥ 0)."""
    scale = Scale.of(pre)
    x, y = scale.design(pre), scale.target(pre)
    n, p = x.shape
    phi = grid(n)
    gram, log_r = Sums.of(pre.step, np.column_stack([x, y])).whitened(phi)
    coef, inverse, rest, log_a = solve(gram, ridge)
    df = float(n - p)
    # Points lie evenly in arcsin phi: each stands for a stretch of phi of √(1 − phi²).
    log = 0.5 * np.log1p(-phi * phi) - 0.5 * (log_r + log_a + df * np.log(rest))
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    kept = weight > _LIGHT
    return Fit(
        scale=scale,
        ridge=ridge,
        phi=phi[kept],
        weight=weight[kept] / weight[kept].sum(),
        coef=coef[kept],
        inverse=inverse[kept],
        variance=rest[kept] / df,
        df=df,
        row=x[-1],
        value=float(y[-1]),
        step=int(pre.step[-1]),
    )


def solve(gram: Floats, ridge: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Of sums ZᵀR⁻¹Z with the target last: coefficients, inverse, penalised sum of squares, log determinant."""
    p = gram.shape[-1] - 1
    penalty = np.diag([0.0] + [ridge] * (p - 1))
    left, right = gram[:, :p, :p] + penalty, gram[:, :p, p]
    inverse: Floats = np.linalg.inv(left).astype(np.float64)
    coef = np.einsum("gpq,gq->gp", inverse, right)
    total = gram[:, p, p]
    rest = np.maximum(total - np.einsum("gp,gp->g", right, coef), _FLOOR * total)
    log_det: Floats = np.linalg.slogdet(left)[1].astype(np.float64)
    return coef, inverse, rest, log_det
