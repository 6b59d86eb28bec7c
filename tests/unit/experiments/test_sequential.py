"""The always-valid sequence: against the Bayes factor integrated numerically, and looked at sixty times."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import nct, norm, t
from support.proofs.brackets import looking
from support.proofs.early import ends

from lumen_workers.experiments.bracket.sequential import confidence_sequence

D = np.array([-0.019, -0.022, -0.005, -0.021, -0.026, -0.008, -0.030, -0.010])


def test_the_sequence_is_where_its_bayes_factor_says() -> None:
    """The mixture over δ ~ N(0, 1) of noncentral t densities by the central one is 20 at both ends."""
    n, d = len(D), D
    found = confidence_sequence(d.tolist())
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < d.mean() < found.hi
    for edge in (found.lo, found.hi):
        value = (d.mean() - edge) / (d.std(ddof=1) / math.sqrt(n))
        mixed, _ = quad(lambda size, v=value: nct.pdf(v, n - 1, size * math.sqrt(n)) * norm.pdf(size), -8, 8)
        assert mixed / t.pdf(value, n - 1) == pytest.approx(20.0, rel=1e-4)
    assert confidence_sequence([0.1]).lo is None
    assert confidence_sequence([0.1, 0.1, 0.1]).lo is None
    # 0.34 - 0.30 and its like differ in the last bit only.
    assert not confidence_sequence([0.25 + k / 7 - k / 7 - 0.226 for k in range(12)]).excludes_zero


def test_differences_that_rounding_alone_tells_apart_end_nothing() -> None:
    """0.30 − 0.34 and 0.31 − 0.35 are equal numbers, if not the same float64."""
    d = [0.30 - 0.34, 0.31 - 0.35] * 4
    assert len(set(d)) == 2
    assert confidence_sequence(d).excludes_zero is False


def test_looking_often_costs_the_sequence_nothing() -> None:
    for burn_in in (2, 6):
        found = looking(runs=4000, looks=60, burn_in=burn_in, seed=11)
        assert found.sequence <= 0.04
        assert found.holds >= 0.96
        assert found.paired_t > 0.2
    # Differences of two values rather than normal ones: how far into the experiment the first look is bounds the cost.
    assert looking(runs=4000, looks=60, burn_in=7, seed=11, drift=8.0).sequence <= 0.055
    assert looking(runs=1000, looks=60, burn_in=6, seed=12, effect=0.5).sequence > 0.6


def test_more_pairs_narrow_the_sequence() -> None:
    d = np.random.default_rng(4).normal(0.0, 1.0, 200).tolist()
    widths = []
    for n in (8, 25, 80, 200):
        found = confidence_sequence(d[:n])
        assert found.lo is not None
        assert found.hi is not None
        widths.append(found.hi - found.lo)
    assert widths == sorted(widths, reverse=True)


def test_its_p_is_one_over_the_bayes_factor() -> None:
    value = D.mean() / (D.std(ddof=1) / math.sqrt(len(D)))
    mixed, _ = quad(lambda size: nct.pdf(value, len(D) - 1, size * math.sqrt(len(D))) * norm.pdf(size), -8, 8)
    p = confidence_sequence(D.tolist()).p
    assert p == pytest.approx(float(t.pdf(value, len(D) - 1) / mixed), rel=1e-4)
    for level in (0.5, 0.9, 0.99, 0.999):
        assert p is not None
        assert confidence_sequence(D.tolist(), level).excludes_zero == (p < 1 - level)


def test_what_ended_early_is_told_by_the_sequence() -> None:
    null = ends(kind="normal", pairs=60, effect=0.0, runs=4000, seed=13)
    assert null.sequence_differs <= 0.05
    assert null.t_differs > 0.06
    real = ends(kind="normal", pairs=20, effect=0.5, runs=4000, seed=14)
    assert real.sequence_holds >= 0.95
    assert real.t_holds < 0.94
    # Two-valued differences are no normal ones: the promise is missed by a hair, and by no more.
    assert ends(kind="drift", pairs=60, effect=0.0, runs=4000, seed=15).sequence_differs <= 0.065
