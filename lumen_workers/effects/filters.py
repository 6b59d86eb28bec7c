"""Display filters: outlier masks and smoothers (S06). Inference uses the raw samples; these shape what is shown.

Every function takes float64[n] or float64[n, m] and works along the first axis, each column for itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAD_TO_SD: Final = 1.482602218505602
"""1 / Φ⁻¹(3/4): the median absolute deviation times this estimates a normal standard deviation."""

_NEGLIGIBLE: Final = 1e-18


def iqr_mask(values: Floats, k: float = 1.5) -> Mask:
    """Tukey's fences: True where ``q1 − k·(q3 − q1) ≤ x ≤ q3 + k·(q3 − q1)``, quartiles by linear interpolation.

    ``k`` ≥ 0. An empty input gives an empty mask. Source: Tukey, Exploratory Data Analysis (1977).
    """
    _not_negative(k)
    if len(values) == 0:
        return np.ones(values.shape, np.bool_)
    q1, q3 = np.quantile(values, (0.25, 0.75), axis=0, method="linear")
    reach = k * (q3 - q1)
    kept: Mask = (values >= q1 - reach) & (values <= q3 + reach)
    return kept


def mad_mask(values: Floats, k: float = 3.0) -> Mask:
    """True where ``|x − median| ≤ k · 1.4826 · median(|x − median|)``.

    ``k`` ≥ 0 counts standard deviations. Where more than half of a column is one value the deviation is 0 and only
    that value stays. Source: Leys et al., J. Exp. Soc. Psychol. 49 (2013) 764.
    """
    _not_negative(k)
    if len(values) == 0:
        return np.ones(values.shape, np.bool_)
    distance = np.abs(values - np.median(values, axis=0))
    kept: Mask = distance <= k * MAD_TO_SD * np.median(distance, axis=0)
    return kept


def weighted_moving_average(values: Floats, width: int) -> Floats:
    """Linearly weighted mean of the last ``width`` samples: ``y_t = Σ_j (width − j)·x_{t−j} / Σ_j (width − j)``.

    j runs from 0 to ``width − 1``; before the start there is nothing to weigh, so the first samples use what there
    is. ``width`` ≥ 1; 1 returns the values.
    """
    if width < 1:
        raise ValueError(f"width {width}: at least 1")
    count = len(values)
    total = np.zeros(values.shape, np.float64)
    weight = np.zeros(count, np.float64)
    for lag in range(min(width, count)):
        total[lag:] += (width - lag) * values[: count - lag]
        weight[lag:] += width - lag
    return total / weight.reshape((count,) + (1,) * (values.ndim - 1))


def ema(values: Floats, alpha: float = 0.2) -> Floats:
    """Exponential moving average: ``y_0 = x_0``, ``y_t = α·x_t + (1 − α)·y_{t−1}``, 0 < α ≤ 1 (useful 0.15 to 0.3).

    Summed by doubling: with ``S_d(t) = Σ_{j<d} w^j·b_{t−j}`` and w = 1 − α, ``S_2d(t) = S_d(t) + w^d·S_d(t − d)``;
    log₂(n) array passes instead of n steps, and no power above 1.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha {alpha}: above 0, at most 1")
    out = alpha * np.asarray(values, np.float64)
    out[:1] = values[:1]
    step, factor = 1, 1.0 - alpha
    while step < len(out) and factor > _NEGLIGIBLE:
        # The right side is complete before it is added: the doubling needs the sums of the pass before.
        out[step:] += factor * out[:-step]
        step, factor = 2 * step, factor * factor
    return out


def _not_negative(k: float) -> None:
    if not k >= 0:
        raise ValueError(f"k {k}: not below 0")
