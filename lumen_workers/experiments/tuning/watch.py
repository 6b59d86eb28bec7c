"""What becomes of a change that the tuner made, once its effect is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lumen_workers.domain.records import Effect, EffectStatus
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.tuning.options import TuningOptions


class Outcome(StrEnum):
    """A change is kept, taken back, or overtaken: its loop did not take it, or somebody changed the rule since."""

    CONFIRMED = "confirmed"
    ROLLED_BACK = "rolled_back"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The outcome and why."""

    outcome: Outcome
    why: str


def judge(effect: Effect, p_improve: float, options: TuningOptions) -> Judgement:
    """Whether a change stays.

    It goes back when its effect cannot be told, when a warn signal shows, when an interval says that a weighted signal
    got worse, or when the posterior with this effect in it gives less than ``threshold`` for an improvement. So a
    change without evidence for it does not stay.
    """
    if effect.status is not EffectStatus.COMPUTED:
        return _back(f"its effect cannot be told ({effect.n_pre} and {effect.n_post} samples)")
    deltas = {name: signal.delta for name, signal in effect.signals.items() if signal.delta is not None}
    for name, bound in options.warn.items():
        if name in deltas and bound.holds(deltas[name]):
            return _back(f"{name} moved by {deltas[name]:+.3f} (warning {bound})")
    verdicts = verdicts_of(effect)
    worse = [name for name in options.weights if verdicts.get(name) == Verdict.WORSENED]
    if worse:
        return _back(f"{', '.join(worse)} got worse")
    if p_improve < options.threshold:
        return _back(f"p_improve is {p_improve:.2f}, below {options.threshold:g}: nothing shows that it helped")
    better = [name for name in options.weights if verdicts.get(name) == Verdict.IMPROVED]
    good = [name for name, bound in options.good.items() if name in deltas and bound.holds(deltas[name])]
    said = f"{', '.join(better)} improved" if better else "no signal got worse"
    more = f", {', '.join(good)} by as much as a good change" if good else ""
    return Judgement(outcome=Outcome.CONFIRMED, why=f"{said}{more}; p_improve {p_improve:.2f}")


def verdicts_of(effect: Effect) -> Mapping[str, str]:
    """Signal → verdict, of those that have one."""
    return {name: signal.verdict for name, signal in effect.signals.items() if signal.verdict is not None}


def _back(why: str) -> Judgement:
    return Judgement(outcome=Outcome.ROLLED_BACK, why=why)
