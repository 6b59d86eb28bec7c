"""The Bayesian update: closed forms, calibration at the null, and the belief that is folded forward."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.history import at, event, noisy
from support.proofs.bayes import pooling, sure

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.journal import BAYES
from lumen_workers.domain.records import EffectOptions, SignalEffect
from lumen_workers.effects.tracker import compute_due
from lumen_workers.experiments import bayes
from lumen_workers.experiments.bayes import Normal, Observations, Priors
from lumen_workers.experiments.belief import believe, fold, latest, observations

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


@pytest.mark.parametrize(("phi", "pooled"), [(0.9, 1), (0.98, 1), (0.9, 10), (0.98, 10)])
def test_it_is_seldom_sure_of_nothing(phi: float, pooled: int) -> None:
    found = sure(phi=phi, pooled=pooled, runs=200, seed=51)
    assert found["honest"] <= 0.12
    if pooled == 1:
        assert found["independent"] > 0.6


def test_steps_of_different_size_are_pooled_per_unit() -> None:
    found = pooling(runs=400, seed=52)
    assert abs(found["per_unit"]) < 0.0005
    assert abs(found["unscaled"]) > 0.002


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    opened.samples.add("main", noisy(0, 2000))
    yield opened
    opened.close()


def changed(store: SqlStore, second: float, name: str, old: float, new: float) -> None:
    store.rules.insert([event(second, event_id=name, old=old, new=new)])
    compute_due(store, "main", EffectOptions(), at(second + 40))


def test_the_belief_is_folded_forward_once_and_as_if_all_at_once(store: SqlStore) -> None:
    changed(store, 200, "ev-1", 0.35, 0.33)
    assert fold(store, "main", PRIORS) is not None
    assert fold(store, "main", PRIORS) is None
    changed(store, 400, "ev-2", 0.33, 0.30)
    changed(store, 600, "ev-3", 0.30, 0.34)
    assert fold(store, "main", PRIORS) is not None
    forward = observations(latest(store, "main"))["risk_max"]["risk_band"]
    rows = store.effects.rows("main")
    at_once = bayes.pool([(event_.new - event_.old, effect.signals) for event_, effect in rows], 0.02)["risk_band"]
    assert forward.n == 3
    assert forward.mean == pytest.approx(at_once.mean)
    assert forward.variance == pytest.approx(at_once.variance)
    assert len(store.journal.rows(BAYES)) == 2


def test_changes_that_crowd_each_other_are_left_out(store: SqlStore) -> None:
    changed(store, 200, "ev-1", 0.35, 0.33)
    changed(store, 215, "ev-2", 0.33, 0.30)
    changed(store, 400, "ev-3", 0.30, 0.34)
    fold(store, "main", PRIORS)
    assert observations(latest(store, "main"))["risk_max"]["risk_band"].n == 1


def test_the_line_says_what_is_believed_for_a_step(store: SqlStore) -> None:
    changed(store, 200, "ev-1", 0.35, 0.33)
    entry = fold(store, "main", PRIORS)
    assert entry is not None
    own = entry.data["rules"]["risk_max"]
    risk = own["signals"]["risk_band"]
    assert own["step"] == -0.02
    assert risk["prior"] == {"mu": pytest.approx(-0.01), "sigma": pytest.approx(0.02)}
    (_, effect) = store.effects.rows("main")[0]
    assert risk["obs_mean"] == pytest.approx(effect.signals["risk_band"].delta)
    assert risk["n"] == 1
    assert 0 < risk["p_improve"] < 1
    belief = believe(store, "main", PRIORS)
    assert belief.evidence("risk_max", -0.02, ()).p_improve == pytest.approx(own["p_improve"], abs=1e-6)
    assert belief.evidence("creative_min", 0.02, ()).n == 0
    assert at(0) + timedelta(seconds=1) > at(0)
