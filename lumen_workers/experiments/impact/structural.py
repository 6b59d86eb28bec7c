"""A second opinion from another model: a level that wanders, regression on the controls, white noise (statsmodels)."""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np

from lumen_workers.experiments.impact.model import Scale
from lumen_workers.experiments.impact.records import Estimate, Floats, SecondOpinion
from lumen_workers.experiments.impact.rows import Rows

LONGEST: Final = 3_000
"""Steps of the pre-period that it looks at, the last ones: the filter takes each in turn, hundreds of times."""


def second_opinion(pre: Rows, post: Rows, first: Estimate, level: float) -> SecondOpinion:
    """The mean effect by ``UnobservedComponents(level="local level")`` fitted to the pre-period.

    The weights of the controls are part of the state, so that what is not known of them is in the interval; the two
    variances are plugged in. It disagrees when neither interval holds the other's effect. It says too little where the
    first one excludes 0 and its own holds both 0 and the first one's effect: a level that wanders may go anywhere in a
    long post-period. Nothing in it is AR(1): where the two agree, the verdict does not hang on that.
    """
    # The import has its own warnings shown, whatever is asked for around it; so it is not left to what follows.
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    rows = _tail(pre)
    scale = Scale.of(rows)
    try:
        with warnings.catch_warnings():
            # A search that ends on its boundary (no wandering, or no white noise) is an answer, not a fault.
            warnings.simplefilter("ignore")
            mean, variance = _forecast(UnobservedComponents, rows, post, scale)
    except (np.linalg.LinAlgError, ValueError) as error:
        return SecondOpinion(estimate=None, agrees=None, why=f"it could not be fitted: {str(error).splitlines()[0]}")
    if not (math.isfinite(mean) and math.isfinite(variance) and variance > 0):
        return SecondOpinion(estimate=None, agrees=None, why="it could not be fitted: its forecast is no number")
    from scipy.special import stdtrit

    df = max(len(rows) - 1.0 - rows.x.shape[1], 3.0)
    effect = scale.y_sd * mean
    reach = scale.y_sd * math.sqrt(variance) * float(stdtrit(df, 0.5 + level / 2))
    second = Estimate(effect=effect, lo=effect - reach, hi=effect + reach)
    if not (first.lo <= second.effect <= first.hi or second.lo <= first.effect <= second.hi):
        return SecondOpinion(estimate=second, agrees=False)
    if not first.lo <= 0 <= first.hi and second.lo <= 0 <= second.hi:
        return SecondOpinion(estimate=second, agrees=None, why="its interval holds this effect, and none as well")
    return SecondOpinion(estimate=second, agrees=True)


def _forecast(model_of: Any, rows: Rows, post: Rows, scale: Scale) -> tuple[float, float]:
    """Mean and variance of observed − forecast, averaged over ``post``, in standard deviations of the target.

    State at the end of the pre-period: level and weights, jointly normal. On average over the post rows the level has
    gone on by a random walk (ΣΣ min(t_i, t_j)/m² steps' worth) and the white noise has shrunk by m.
    """
    y, x = _on_grid(rows, scale)
    model = model_of(y, level="local level", exog=x if x.shape[1] else None, mle_regression=False)
    found: Any = model.fit(disp=False, maxiter=100)
    walk, white = _variances(found)
    state, spread = found.filter_results.filtered_state[:, -1], found.filter_results.filtered_state_cov[:, :, -1]
    design = np.concatenate([[1.0], scale.design(post)[:, 1:].mean(axis=0)])
    ahead = np.sort(post.step - rows.step[-1]).astype(np.float64)
    m = len(ahead)
    # Of the ascending t, t_i is the smaller one of 2(m − i) + 1 ordered pairs.
    shared = float((ahead * (2.0 * (m - np.arange(1, m + 1)) + 1.0)).sum()) / m**2
    mean = float(scale.target(post).mean() - design @ state)
    return mean, float(design @ spread @ design) + walk * shared + white / m


def _variances(found: Any) -> tuple[float, float]:
    values = dict(zip(found.model.param_names, found.params, strict=True))
    return float(values["sigma2.level"]), float(values["sigma2.irregular"])


def _on_grid(rows: Rows, scale: Scale) -> tuple[Floats, Floats]:
    """Target and controls at every step; a step without a row has no target, and its controls say nothing."""
    place = rows.step - rows.step[0]
    y = np.full(int(place[-1]) + 1, np.nan)
    x = np.zeros((len(y), rows.x.shape[1]))
    y[place], x[place] = scale.target(rows), scale.design(rows)[:, 1:]
    return y, x


def _tail(rows: Rows) -> Rows:
    first = int(np.searchsorted(rows.step, rows.step[-1] - LONGEST + 1))
    return rows[first:] if len(rows) - first > rows.x.shape[1] + 10 else rows[-LONGEST:]
