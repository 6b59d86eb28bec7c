"""The plan of a bracket: its order, what noise it finds, and the power that it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import nctdtr, stdtrit
from statsmodels.stats.power import TTestPower
from support.proofs.brackets import PACE, RATE_HZ, SD, measure
from support.proofs.plans import planning

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import Block
from lumen_workers.experiments.bracket.design import schedule
from lumen_workers.experiments.bracket.noise import Noise, mean_covariance, noise_of
from lumen_workers.experiments.bracket.power import chance_of, power, tell
from lumen_workers.experiments.pace import Pace
from lumen_workers.loop.plant import PlantOptions, simulate

S = 1_000_000
NOISE = Noise.known(0.9, SD)


def test_the_order_comes_from_the_seed_and_is_fair() -> None:
    assert schedule(6, 1) == schedule(6, 1)
    assert schedule(20, 1) != schedule(20, 2)
    assert schedule(3, 9)[:4] == schedule(2, 9)
    assert schedule(2, 1, "abab") == ((1, "A"), (1, "B"), (2, "A"), (2, "B"))
    first = [arm for pair, arm in schedule(2000, 7)[::2]]
    assert 0.46 < first.count("A") / 2000 < 0.54


@pytest.mark.parametrize("phi", [0.9, 0.98])
def test_power_is_what_simulation_finds(phi: float) -> None:
    plan = power(Noise.known(phi, SD), PACE, 10, RATE_HZ, 0.01)
    found = measure(phi=phi, pairs=10, order="randomised", effect=plan.mde, drift=0.0, runs=400, seed=31)
    assert 0.74 <= found.finds <= 0.86


def test_the_needed_pairs_are_the_fewest() -> None:
    plan = power(NOISE, PACE, 10, RATE_HZ, 0.01)
    assert plan.needed is not None
    assert power(NOISE, PACE, plan.needed, RATE_HZ, 0.01).mde <= 0.01
    assert power(NOISE, PACE, plan.needed - 1, RATE_HZ, 0.01).mde > 0.01
    assert plan.needed_s == 2 * plan.needed * PACE.period_s
    assert power(Noise.known(0.999, 5.0), PACE, 6, RATE_HZ, 0.001).needed is None


def test_a_stricter_level_takes_more_pairs() -> None:
    usual, strict = (power(NOISE, PACE, 10, RATE_HZ, 0.01, level=level) for level in (0.95, 0.99))
    assert strict.mde > 1.2 * usual.mde
    assert strict.needed is not None
    assert usual.needed is not None
    assert strict.needed > usual.needed


@pytest.mark.parametrize("pairs", [3, 6, 30, 1000])
def test_the_chance_is_that_of_the_noncentral_t(pairs: int) -> None:
    edge = float(stdtrit(pairs - 1, 0.975))
    for centre in (0.0, 1.0, 2.0, 4.0):
        expected = 1 - nctdtr(pairs - 1, centre, edge) + nctdtr(pairs - 1, centre, -edge)
        assert chance_of(centre / math.sqrt(pairs), pairs, 0.95) == pytest.approx(float(expected), abs=1e-4)


def test_two_pairs_need_a_large_change() -> None:
    """With one degree of freedom library functions give up on the way to 80 %."""
    sd = NOISE.difference_sd(PACE, RATE_HZ)
    size = power(NOISE, PACE, 2, RATE_HZ, 0.01).mde / sd
    d = np.random.default_rng(5).standard_normal((20_000, 2)) + size
    reach = 12.7062 * d.std(axis=1, ddof=1) / math.sqrt(2)
    assert (np.abs(d.mean(axis=1)) > reach).mean() == pytest.approx(0.8, abs=0.015)


def test_the_variance_of_a_mean_is_the_closed_form() -> None:
    for phi, n in ((0.0, 10), (0.9, 500), (0.98, 37)):
        expected = (1 + 2 * sum((1 - k / n) * phi**k for k in range(1, n))) / n
        assert mean_covariance(np.array([phi]), n, 0)[0] == pytest.approx(expected)


def test_the_deviation_of_a_difference_is_that_of_all_pairs_of_samples() -> None:
    phi, white = 0.98, 0.3
    ticks = np.concatenate([np.arange(100, 600), np.arange(700, 1200)])
    weight = np.repeat([-1 / 500, 1 / 500], 500)
    covariance = (1 - white) * phi ** np.abs(ticks[:, None] - ticks) + white * np.eye(1000)
    expected = SD * math.sqrt(weight @ covariance @ weight)
    assert Noise.known(phi, SD, white).difference_sd(PACE, RATE_HZ) == pytest.approx(expected)


@pytest.mark.parametrize("rate_hz", [5, 50])
def test_the_noise_of_a_quiet_loop_is_found(rate_hz: int) -> None:
    """At 50 Hz only a part of the ticks is looked at; phi is from tick to tick all the same."""
    phi = 0.9 if rate_hz == 5 else 0.99
    block = simulate(PlantOptions(phi=phi, sd=0.02, seed=8), [], 1_700_000_000 * S, 1_700_000_300 * S, rate_hz)
    noise = noise_of(block, rate_hz)["risk_band"]
    assert noise is not None
    assert float(noise.chance.sum()) == pytest.approx(1.0)
    true = Noise.known(phi, 0.02)
    assert noise.difference_sd(PACE, rate_hz) == pytest.approx(true.difference_sd(PACE, rate_hz), rel=0.3)


@pytest.mark.parametrize(("phi", "white"), [(0.9, 0.2), (0.98, 0.5)])
def test_a_sensors_own_noise_does_not_make_a_plan_too_hopeful(phi: float, white: float) -> None:
    found = planning(phi=phi, white=white, runs=40, seed=32)
    assert 0.8 <= found.middle <= 1.25
    assert 0.7 <= found.finds <= 0.92


def quiet(seconds: int, *, missing: float = 0.0, constant: bool = False) -> Block:
    block = simulate(PlantOptions(phi=0.9, sd=0.02, seed=8), [], 0, seconds * S, 5)
    kept = np.random.default_rng(1).random(len(block)) >= missing
    values = block.values[kept].copy()
    if constant:
        values[:, 3] = 0.3
    return Block(ts=block.ts[kept], values=values)


def test_missing_samples_do_not_change_what_the_noise_is() -> None:
    whole, holes = (noise_of(quiet(300, missing=part), 5)["phase_diff"] for part in (0.0, 0.3))
    assert whole is not None
    assert holes is not None
    assert holes.difference_sd(PACE, 5) == pytest.approx(whole.difference_sd(PACE, 5), rel=0.15)


def test_what_is_not_known_of_the_noise_is_not_said() -> None:
    assert set(noise_of(quiet(19), 5).values()) == {None}
    found = noise_of(quiet(60, constant=True), 5)
    assert [name for name, noise in found.items() if noise is None] == ["risk_band"]


def test_the_plan_in_a_sentence() -> None:
    plan = power(NOISE, PACE, 12, RATE_HZ, 0.02)
    assert tell({"risk_band": plan}, "risk_band") == (
        f"12 pairs of 2 × 120 s take 48 min; a change of risk_band of {plan.mde:.3f} or more will be seen with 80% "
        "probability"
    )
    small = power(NOISE, PACE, 12, RATE_HZ, 0.005)
    assert tell({"risk_band": small}, "risk_band").endswith(f"; for 0.005 it takes {small.needed} pairs (1.6 h)")
    hopeless = power(NOISE, PACE, 12, RATE_HZ, 1e-6)
    assert tell({"risk_band": hopeless}, "risk_band").endswith("; for 1e-06, 10,000 pairs are not enough")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pairs": 1}, "at least 2 pairs, not 1"),
        ({"relevant": 0.0}, "a number above 0, not 0"),
        ({"relevant": math.nan}, "a number above 0, not nan"),
        ({"level": 1.0}, "level 1 is in"),
        ({"sought": 0.05}, "power 0.05 above 0.05"),
    ],
)
def test_plans_that_cannot_be_are_refused(changes: dict[str, float], said: str) -> None:
    given = {"pairs": 10, "relevant": 0.01, **changes}
    with pytest.raises(UsageError, match=said):
        power(NOISE, PACE, int(given.pop("pairs")), RATE_HZ, given.pop("relevant"), **given)


@pytest.mark.parametrize("pairs", [2, 6, 10, 40])
def test_the_smallest_change_is_that_of_other_peoples_power(pairs: int) -> None:
    """Independent ticks and no washout: a pair's difference has the variance 2·sd²/600."""
    plan = power(Noise.known(0.0, SD), Pace(period_s=120, washout_s=0), pairs, 5, 0.01)
    size = TTestPower().solve_power(effect_size=None, nobs=pairs, alpha=0.05, power=0.8)
    assert plan.mde == pytest.approx(float(size) * SD * math.sqrt(2 / 600), rel=1e-4)
