"""The analysis row by row: observed and counterfactual, the effect at each row and their running sum, with bands."""

from __future__ import annotations

import numpy as np

from lumen_workers.experiments.impact.model import Fit
from lumen_workers.experiments.impact.noise import pair_sum, powers
from lumen_workers.experiments.impact.records import Floats, Path
from lumen_workers.experiments.impact.rows import Split

_ENOUGH = 0.999
"""Share of the distribution of phi that the bands are drawn from."""


def trace(fit: Fit, split: Split, n_post: int, level: float) -> Path:
    """Of every row; the post-period has ``n_post`` rows in the data.

    The bands are the mixture's mean ± t · its standard deviation, near enough for a picture.
    """
    from scipy.special import stdtrit

    pre, post = split.pre, split.post
    unit, n = fit.scale.y_sd, len(post)
    rows = np.arange(1, n + 1)
    reach_t = float(stdtrit(fit.df, 0.5 + level / 2)) * np.sqrt((fit.df - 2.0) / fit.df)
    order = np.argsort(fit.weight)[::-1]
    order = order[: int(np.searchsorted(np.cumsum(fit.weight[order]), _ENOUGH)) + 1]
    weight = fit.weight[order] / fit.weight[order].sum()

    x, y = fit.scale.design(post), fit.scale.target(post)
    single, running = _Moments(n), _Moments(n)
    for share, at in zip(weight, order, strict=True):
        phi, white, coef = fit.grid.phi[at : at + 1], fit.grid.white[at], fit.coef[at]
        left = powers(phi, post.step - fit.step)[0]
        lost = 1.0 - white - fit.spread[at]
        lever = x - left[:, None] * fit.row[at]
        effect = y - left * fit.value[at] - lever @ coef
        factor = fit.variance[at] * fit.df / (fit.df - 2.0)
        single.add(share, effect, factor * (1.0 - left**2 * lost + _quadratic(lever, fit.inverse[at])))
        noise = (1.0 - white) * pair_sum(phi, post.step)[0] - np.cumsum(left) ** 2 * lost + white * rows
        total = np.cumsum(lever, axis=0)
        running.add(share, np.cumsum(effect), factor * (noise + _quadratic(total, fit.inverse[at])))
    effect, reach = unit * single.mean, unit * reach_t * single.sd()
    each = unit * n_post / n
    summed, sum_reach = each * running.mean, each * reach_t * running.sd()
    fitted = fit.scale.y_mean + unit * (fit.scale.design(pre) @ fit.mean_coef)
    return Path(
        ts=np.concatenate([pre.ts, post.ts]),
        observed=np.concatenate([pre.y, post.y]),
        expected=np.concatenate([fitted, post.y - effect]),
        effect=effect,
        effect_lo=effect - reach,
        effect_hi=effect + reach,
        cumulative=summed,
        cumulative_lo=summed - sum_reach,
        cumulative_hi=summed + sum_reach,
    )


class _Moments:
    """Mean and variance of a mixture, one part after the other."""

    def __init__(self, n: int) -> None:
        self.mean: Floats = np.zeros(n)
        self._square: Floats = np.zeros(n)

    def add(self, share: float, loc: Floats, variance: Floats) -> None:
        self.mean += share * loc
        self._square += share * (np.maximum(variance, 0.0) + loc**2)

    def sd(self) -> Floats:
        found: Floats = np.sqrt(np.maximum(self._square - self.mean**2, 0.0))
        return found


def _quadratic(rows: Floats, matrix: Floats) -> Floats:
    found: Floats = ((rows @ matrix) * rows).sum(axis=1)
    return found
