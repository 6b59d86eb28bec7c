"""How hard the weights of the controls are pulled to 0: chosen by forecasts within the pre-period."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.model import Scale, fit, solve
from lumen_workers.experiments.impact.noise import Sums, powers
from lumen_workers.experiments.impact.rows import Rows

LAMBDAS: Final = tuple(float(10.0**exponent) for exponent in np.arange(-2.0, 4.1, 0.5))
"""The penalties tried. The sum of squares that they stand beside is about the number of rows, or more."""

FOLDS: Final = 5


def choose(pre: Rows) -> float:
    """The penalty of LAMBDAS that forecasts best within ``pre``.

    Forward cross-validation: the model of the rows up to a cut forecasts the block behind it, at FOLDS cuts. What is
    scored are innovations, the part of an error that the error before does not tell: the errors themselves follow each
    other, and a long excursion of the noise would decide. phi is that of the whole pre-period with the least penalty.
    """
    phi = np.array([fit(pre, LAMBDAS[0]).mean_phi])
    cuts = np.linspace(len(pre) * 3 // 8, len(pre), FOLDS + 1).astype(int)
    loss = np.zeros(len(LAMBDAS))
    for start, end in pairwise(cuts.tolist()):
        past, block = pre[:start], pre[start - 1 : end]
        scale = Scale.of(past)
        gram, _ = Sums.of(past.step, np.column_stack([scale.design(past), scale.target(past)])).whitened(phi)
        coef = np.stack([solve(gram, ridge)[0][0] for ridge in LAMBDAS], axis=1)
        error = scale.y_sd * (scale.target(block)[:, None] - scale.design(block) @ coef)
        rho = powers(phi, np.diff(block.step))[0][:, None]
        loss += (((error[1:] - rho * error[:-1]) ** 2) / (1.0 - rho * rho)).sum(axis=0)
    return LAMBDAS[int(np.argmin(loss))]
