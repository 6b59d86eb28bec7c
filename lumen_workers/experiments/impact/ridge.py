"""How hard the weights of the controls are pulled to 0: chosen by forecasts within the pre-period."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.model import Past, solve
from lumen_workers.experiments.impact.noise import innovations

LAMBDAS: Final = tuple(float(10.0**exponent) for exponent in np.arange(-2.0, 4.1, 0.5))
"""The penalties tried. The sum of squares that they stand beside is about the number of rows, or more."""

FOLDS: Final = 5


def choose(past: Past) -> float:
    """The penalty of LAMBDAS that forecasts best within the pre-period.

    Forward cross-validation: the model of the rows up to a cut forecasts the block behind it, at FOLDS cuts. What is
    scored are innovations, the part of an error that the errors before do not tell: the errors themselves follow each
    other, and a long excursion of the noise would decide. The noise is that of the fit with the least penalty.
    """
    pre, scale, least = past.rows, past.scale, past.fit(LAMBDAS[0])
    z = np.column_stack([scale.design(pre), scale.target(pre)])
    z = innovations(least.mean_phi, least.mean_white, pre.step, z)
    cuts = np.linspace(len(pre) * 3 // 8, len(pre), FOLDS + 1).astype(int)
    loss = np.zeros(len(LAMBDAS))
    for start, end in pairwise(cuts.tolist()):
        gram = (z[:start].T @ z[:start])[None]
        coef = np.stack([solve(gram, ridge)[0][0] for ridge in LAMBDAS], axis=1)
        loss += ((z[start:end, -1:] - z[start:end, :-1] @ coef) ** 2).sum(axis=0)
    return LAMBDAS[int(np.argmin(loss))]
