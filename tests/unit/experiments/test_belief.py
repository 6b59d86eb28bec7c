"""The belief that the journal folds forward from the effects of a loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.history import at, event, noisy

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.journal import BAYES
from lumen_workers.domain.records import EffectOptions
from lumen_workers.effects.tracker import compute_due
from lumen_workers.experiments import bayes
from lumen_workers.experiments.bayes import Normal, Priors
from lumen_workers.experiments.belief import believe, fold, latest, observations

PRIORS = Priors(
    effects={"risk_max": {"risk_band": Normal(mu=-0.01, sigma=0.02)}}, steps={"risk_max": -0.02, "creative_min": 0.02}
)


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


def test_a_change_counts_once_however_often_it_is_computed(store: SqlStore) -> None:
    changed(store, 200, "ev-1", 0.35, 0.33)
    assert fold(store, "main", PRIORS) is not None
    once = observations(latest(store, "main"))["risk_max"]["risk_band"]
    compute_due(store, "main", EffectOptions(pre_s=20, post_s=20), at(300))
    assert len(store.effects.rows("main")) == 2
    fold(store, "main", PRIORS)
    assert observations(latest(store, "main"))["risk_max"]["risk_band"] == once


def test_folded_at_once_a_change_counts_by_its_first_effect_too(store: SqlStore) -> None:
    changed(store, 200, "ev-1", 0.35, 0.33)
    (first,) = [effect for _, effect in store.effects.rows("main")]
    compute_due(store, "main", EffectOptions(pre_s=20, post_s=20), at(300))
    fold(store, "main", PRIORS)
    seen = observations(latest(store, "main"))["risk_max"]["risk_band"]
    delta = first.signals["risk_band"].delta
    assert delta is not None
    assert seen.n == 1
    assert seen.mean == pytest.approx(delta / -0.02)
