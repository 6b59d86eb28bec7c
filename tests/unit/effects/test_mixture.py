"""Mixtures of t distributions against scipy's own functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import t

from lumen_workers.effects.mixture import Mixture


@pytest.mark.parametrize("free", [4.0, 12.0, 56.0, 3000.0])
@pytest.mark.parametrize("q", [0.6, 0.8, 0.975, 0.9995])
def test_quantiles_and_tails_are_those_of_the_mixture(free: float, q: float) -> None:
    weight = np.array([[[1.0, 0.0, 0.0], [0.5, 0.3, 0.2]]])
    scale = np.array([[[0.01, 9.0, 9.0], [0.01, 0.05, 0.4]]])
    mixture = Mixture(weight, scale, np.array([free]))

    def below(x: float, column: int) -> float:
        return float((weight[0, column] * t.cdf(x / scale[0, column], free)).sum())

    found = mixture.quantile(q)
    assert found[0, 0] == pytest.approx(0.01 * t.ppf(q, free), rel=1e-7)
    assert found[0, 1] == pytest.approx(brentq(lambda x: below(x, 1) - q, 1e-9, 100.0, xtol=1e-14), rel=1e-7)
    assert mixture.below(-found)[0].tolist() == pytest.approx([below(-found[0, column], column) for column in (0, 1)])


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    rng = np.random.default_rng(1)
    weight, scale, free = rng.random((40, 4, 72)), rng.random((40, 4, 72)) ** 6 + 1e-6, rng.uniform(4, 60, 40)
    weight /= weight.sum(axis=2, keepdims=True)

    together = Mixture(weight, scale, free).quantile(0.975)

    for row in range(40):
        assert Mixture(weight[row : row + 1], scale[row : row + 1], free[row : row + 1]).quantile(0.975).tolist() == [
            together[row].tolist()
        ]
