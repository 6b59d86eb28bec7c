"""Ridge regression of the target on its controls with correlated noise, and its forecast of the post-period.

y = a + xᵀb + e, where x are the controls standardised on the pre-period, b ~ N(0, s²/λ) (the ridge penalty λ·|b|²; the
intercept has none) and e is stationary noise of variance s²: AR(1), a share of it white (``noise``). For given phi and
share all is linear and normal, and the forecast is a Student t on n − 1 − k degrees of freedom. They are not known: the
forecast is the mixture over their restricted likelihood (Harville, J. Am. Stat. Assoc. 72 (1977) 320), every pair being
as likely as every other beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.noise import Grid, Whitened, pair_sum, powers, whiten
from lumen_workers.experiments.impact.records import Floats
from lumen_workers.experiments.impact.rows import Rows
from lumen_workers.experiments.mixture import Mixture

_LIGHT: Final = 1e-9
"""Points of the grid with less of the likelihood than this are left out."""

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
    """The model fitted to the pre-period, in standardised units, at G points of the noise's grid.

    ``coef`` is float64[G, p], intercept first; ``inverse``, float64[G, p, p], times ``variance``, float64[G], that of
    the noise, is its covariance. ``weight`` is each point's probability. Of the last pre row, whose number is ``step``:
    what is left of the AR(1) part in the regressors (``row``, float64[G, p]), in the target (``value``, float64[G]),
    and its variance by that of the noise (``spread``, float64[G]).
    """

    scale: Scale
    ridge: float
    grid: Grid
    weight: Floats
    coef: Floats
    inverse: Floats
    variance: Floats
    df: float
    row: Floats
    value: Floats
    spread: Floats
    step: int

    @property
    def mean_phi(self) -> float:
        """Correlation of the AR(1) part from one step to the next."""
        return float(self.weight @ self.grid.phi)

    @property
    def mean_white(self) -> float:
        """Share of white noise in the noise's variance."""
        return float(self.weight @ self.grid.white)

    @property
    def mean_coef(self) -> Floats:
        """The coefficients' mean, standardised units, intercept first."""
        return self.weight @ self.coef

    def effect(self, post: Rows) -> Mixture:
        """The mean of observed − counterfactual over ``post``, in the target's unit.

        The last pre rows say what noise the post-period begins with; it fades by phi from step to step.
        """
        x, y = self.scale.design(post).mean(axis=0), float(self.scale.target(post).mean())
        n, phi, own = len(post), self.grid.phi, 1.0 - self.grid.white
        left = powers(phi, post.step - self.step).mean(axis=1)
        pairs = pair_sum(phi, post.step)[:, -1] / n**2
        lever = x - left[:, None] * self.row
        loc = y - left * self.value - np.einsum("gp,gp->g", lever, self.coef)
        noise = own * pairs - left**2 * (own - self.spread) + self.grid.white / n
        known = np.einsum("gp,gpq,gq->g", lever, self.inverse, lever)
        unit = self.scale.y_sd
        return Mixture(self.weight, unit * loc, unit * np.sqrt(self.variance * (noise + known)), self.df)


@dataclass(frozen=True, slots=True)
class Past:
    """A pre-period made ready: whatever does not depend on the penalty. ``whitened``: its cuts, and the whole last."""

    rows: Rows
    scale: Scale
    grid: Grid
    whitened: tuple[Whitened, ...]

    @classmethod
    def of(cls, pre: Rows, cuts: Sequence[int] = ()) -> Past:
        """Of ``pre`` (more rows than controls + 3), and of its beginnings of each of ``cuts`` rows (ascending)."""
        scale = Scale.of(pre)
        grid = Grid.of(len(pre))
        series = np.column_stack([scale.design(pre), scale.target(pre)])
        return cls(pre, scale, grid, tuple(whiten(grid, pre.step, series, cuts)))

    def fit(self, ridge: float, cut: int = -1) -> Fit:
        """The model with the penalty ``ridge`` (≥ 0), of the whole or of the beginning that ``cut`` numbers."""
        white = self.whitened[cut]
        p = white.gram.shape[-1] - 1
        coef, inverse, rest, log_a = solve(white.gram, ridge)
        df = float(white.count - p)
        log = np.log(self.grid.prior) - 0.5 * (white.log_det + log_a + df * np.log(rest))
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        kept = weight > _LIGHT
        return Fit(
            scale=self.scale,
            ridge=ridge,
            grid=self.grid.only(kept),
            weight=weight[kept] / weight[kept].sum(),
            coef=coef[kept],
            inverse=inverse[kept],
            variance=rest[kept] / df,
            df=df,
            row=white.state[kept, :p],
            value=white.state[kept, p],
            spread=white.spread[kept],
            step=int(self.rows.step[white.count - 1]),
        )


def fit(pre: Rows, ridge: float) -> Fit:
    """The model of ``pre`` (more rows than controls + 3) with the penalty ``ridge`` (≥ 0)."""
    return Past.of(pre).fit(ridge)


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
