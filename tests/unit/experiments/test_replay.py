"""Recorded history gone through again."""

from __future__ import annotations

import pytest
from support.history import event
from support.judged import judged

from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, RuleEvent
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.tracker import effect_id
from lumen_workers.experiments.backtest.replay import replay
from lumen_workers.experiments.bayes import Priors
from lumen_workers.experiments.tuning.options import TuningOptions

PRIORS = Priors(effects={}, steps={"creative_min": 0.02, "risk_max": -0.02})


def row(number: int, old: float, new: float, risk: float) -> tuple[RuleEvent, Effect]:
    """A change of risk_max that moved risk_band by ``risk``, from a level beyond its target."""
    made = event(600.0 * number, event_id=f"ev-{number}", old=old, new=new)
    signals = {name: judged(name, risk if name == "risk_band" else 0.0, 0.005) for name in SIGNALS}
    effect = Effect(
        effect_id=effect_id(made.event_id, EffectOptions()),
        event_id=made.event_id,
        loop="main",
        seq=number,
        options=EffectOptions(),
        status=EffectStatus.COMPUTED,
        n_pre=145,
        n_post=145,
        signals=signals,
        computed_at=made.ts,
    )
    return made, effect


HISTORY = [row(1, 0.35, 0.33, -0.02), row(2, 0.33, 0.31, -0.018), row(3, 0.31, 0.35, 0.04)]


def test_the_heuristic_would_have_lowered_and_never_raised() -> None:
    found = replay(HISTORY, TuningOptions(), PRIORS, "heuristic")
    assert (found.changes, found.improved, found.worsened) == (3, 2, 1)
    assert (found.agreed.n, found.opposed.n, found.passed.n) == (2, 1, 0)
    assert (found.improved_kept, found.worsened_avoided) == (2, 1)
    assert found.agreed.mean == pytest.approx(0.3 * 0.019)
    assert found.opposed.mean == pytest.approx(-0.3 * 0.04)
    assert found.opposed.lo is None


def test_holding_agrees_with_nothing() -> None:
    found = replay(HISTORY, TuningOptions(), PRIORS, "hold")
    assert (found.agreed.n, found.passed.n, found.improved_kept, found.worsened_avoided) == (0, 3, 0, 1)


def test_the_tuner_learns_from_what_came_before_and_from_nothing_later() -> None:
    harmful = [row(n, 0.35 - 0.01 * n, 0.34 - 0.01 * n, 0.03) for n in range(1, 6)]
    found = replay(harmful, TuningOptions(), PRIORS, "tuned")
    assert found.agreed.n >= 1, "before the first effect nothing speaks against the step"
    assert found.agreed.n < 5, "in the end the evidence does"
    assert replay(harmful[:1], TuningOptions(), PRIORS, "tuned").agreed.n == 1


def test_no_history_is_no_error() -> None:
    found = replay([], TuningOptions(), PRIORS, "tuned")
    assert (found.changes, found.agreed.n, found.agreed.mean) == (0, 0, None)
