"""The plan of a bracket: its order, what noise it finds, and the power that it promises."""

from __future__ import annotations

import math

import pytest
from statsmodels.stats.power import TTestPower
from support.proofs.brackets import SD, measure

from lumen_workers.experiments.bracket.design import Noise, mean_variance, noise_of, power, schedule
from lumen_workers.experiments.pace import Pace
from lumen_workers.loop.plant import PlantOptions, simulate


def test_the_order_comes_from_the_seed_and_is_fair() -> None:
    assert schedule(6, 1) == schedule(6, 1)
    assert schedule(20, 1) != schedule(20, 2)
    assert schedule(3, 9)[:4] == schedule(2, 9)
    assert schedule(2, 1, "abab") == ((1, "A"), (1, "B"), (2, "A"), (2, "B"))
    first = [arm for pair, arm in schedule(2000, 7)[::2]]
    assert 0.46 < first.count("A") / 2000 < 0.54


def test_power_is_what_simulation_finds() -> None:
    noise, pace = Noise(phi=0.9, sd=SD), Pace(period_s=120, washout_s=20)
    plan = power(noise, pace, 10, 5, 0.01)
    found = measure(phi=0.9, pairs=10, order="randomised", effect=plan.mde, drift=0.0, runs=400, seed=31)
    assert 0.74 <= found.finds <= 0.86
    assert plan.needed is not None
    assert power(noise, pace, plan.needed, 5, 0.01).mde <= 0.01
    assert power(noise, pace, plan.needed - 1, 5, 0.01).mde > 0.01
    assert power(Noise(phi=0.999, sd=5.0), pace, 6, 5, 0.001).needed is None


def test_the_variance_of_a_mean_is_the_closed_form() -> None:
    for phi, n in ((0.0, 10), (0.9, 500), (0.98, 37)):
        lags = range(1, n)
        expected = (1 + 2 * sum((1 - k / n) * phi**k for k in lags)) / n
        assert mean_variance(phi, n) == pytest.approx(expected)


def test_the_noise_of_a_quiet_loop_is_found() -> None:
    block = simulate(PlantOptions(phi=0.9, sd=0.02, seed=8), [], 1_700_000_000_000_000, 1_700_000_300_000_000, 5)
    noise = noise_of(block, 5)["risk_band"]
    assert noise is not None
    assert noise.phi == pytest.approx(0.9, abs=0.03)
    assert noise.sd == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("pairs", [6, 10, 40])
def test_the_smallest_change_is_that_of_other_peoples_power(pairs: int) -> None:
    """Independent ticks and no washout: a pair's difference has the variance 2·sd²/600."""
    plan = power(Noise(phi=0.0, sd=SD), Pace(period_s=120, washout_s=0), pairs, 5, 0.01)
    size = TTestPower().solve_power(effect_size=None, nobs=pairs, alpha=0.05, power=0.8)
    assert plan.mde == pytest.approx(float(size) * SD * math.sqrt(2 / 600), rel=1e-4)
