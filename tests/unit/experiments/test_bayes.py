"""The Bayesian update: closed forms, and calibration at the null."""

from __future__ import annotations

import pytest
from support.proofs.bayes import held, pooling, sure

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import SignalEffect
from lumen_workers.experiments import bayes
from lumen_workers.experiments.bayes import Normal, Observations, Priors

PRIORS = Priors(
    effects={"risk_max": {"risk_band": Normal(mu=-0.01, sigma=0.02)}}, steps={"risk_max": -0.02, "creative_min": 0.02}
)


def test_one_effect_gives_the_closed_form() -> None:
    seen = Observations().plus(1.0, -0.03, 0.01)
    found = bayes.update(Normal(mu=-0.01, sigma=0.02), seen)
    assert found.mu == pytest.approx((-0.01 / 0.0004 - 0.03 / 0.0001) / (1 / 0.0004 + 1 / 0.0001))
    assert found.sigma == pytest.approx((1 / 0.0004 + 1 / 0.0001) ** -0.5)
    assert bayes.update(Normal(mu=1.0, sigma=2.0), Observations()) == Normal(mu=1.0, sigma=2.0)


def test_p_improve_follows_the_good_direction() -> None:
    belief = Normal(mu=-0.02, sigma=0.02)
    assert bayes.p_improve(belief, "risk_band") == pytest.approx(0.8413447)
    assert bayes.p_improve(belief, "creative_band") == pytest.approx(0.1586553)
    chances = {"risk_band": 0.9, "creative_band": 0.5, "entropy_rate": 0.0}
    assert bayes.weighted(chances, {"phase_diff": 1.2, "risk_band": 1.0, "creative_band": 0.8}) == pytest.approx(
        (0.9 + 0.8 * 0.5) / 1.8
    )
    assert bayes.weighted({}, {"risk_band": 1.0}) == 0.5


def test_the_standard_error_is_as_wide_as_the_interval() -> None:
    effect = SignalEffect(delta=0.0, lo=-0.0196, hi=0.0196, level=0.95, se=0.002)
    assert bayes.standard_error(effect, 0.02) == pytest.approx(0.01, rel=1e-4)
    assert bayes.standard_error(SignalEffect(delta=0.1), 0.02) == 0.02
    assert bayes.standard_error(SignalEffect(), 0.02) is None
    ninety = SignalEffect(delta=0.0, lo=-0.0164485, hi=0.0164485, level=0.9)
    assert bayes.standard_error(ninety, 0.02) == pytest.approx(0.01, rel=1e-4)


def test_effects_that_scatter_too_much_count_for_less() -> None:
    calm, wild = Observations(), Observations()
    for delta in (0.010, 0.011, 0.009, 0.010):
        calm = calm.plus(1.0, delta, 0.005)
        wild = wild.plus(1.0, delta + (0.05 if delta > 0.0095 else -0.15), 0.005)
    prior = Normal(mu=0.0, sigma=1.0)
    assert bayes.update(prior, calm).sigma == pytest.approx(0.0025, rel=0.01)
    assert bayes.update(prior, wild).sigma > 0.03


def test_priors_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="risk_max needs a step"):
        Priors(effects={"risk_max": {}}, steps={})
    with pytest.raises(UsageError, match="unknown signal 'speed'"):
        Priors(effects={"r": {"speed": Normal(mu=0, sigma=1)}}, steps={"r": 0.1})
    with pytest.raises(UsageError, match="weights: unknown signal 'speed'"):
        Priors(effects={}, steps={}, weights={"speed": 1.0})
    for weights in ({}, {"risk_band": 0.0}, {"risk_band": -1.0, "phase_diff": 2.0}):
        with pytest.raises(UsageError, match="the weights are not negative, and one is above 0"):
            Priors(effects={}, steps={}, weights=weights)


@pytest.mark.parametrize(("phi", "pooled"), [(0.9, 1), (0.98, 1), (0.9, 10), (0.98, 10)])
def test_it_is_seldom_sure_of_nothing(phi: float, pooled: int) -> None:
    found = sure(phi=phi, pooled=pooled, runs=200, seed=51)
    assert found["honest"] <= 0.12
    assert found["plain"] > 0.6


@pytest.mark.parametrize(("phi", "pooled"), [(0.9, 1), (0.9, 5), (0.98, 5)])
def test_what_is_drawn_from_the_prior_is_held_by_the_posterior(phi: float, pooled: int) -> None:
    assert held(phi=phi, pooled=pooled, runs=300, seed=53) >= 0.87


def test_steps_of_different_size_are_pooled_per_unit() -> None:
    found = pooling(runs=400, seed=52)
    assert abs(found["per_unit"]) < 0.0005
    assert abs(found["unscaled"]) > 0.002
