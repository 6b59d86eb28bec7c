"""The decision, as a pure function of its inputs (S11): what to change next, or why nothing.

Order: risk not good → ``risk_max`` − lr; else phase not good → ``creative_min`` + lr; else creative not good →
``creative_min`` + lr/2. Among the proposals the one with the most evidence for it comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from lumen_workers.domain.records import Record
from lumen_workers.experiments.tuning.options import NEEDS, Bound, TuningOptions

_STEPS = (("risk_band", "risk_max", 1.0), ("phase_diff", "creative_min", 1.0), ("creative_band", "creative_min", 0.5))
"""Signal that is not good → rule, and the part of its step."""

WARNED_FOR: Final = 10
"""A warning holds the tuner back for so many cool-downs."""


@dataclass(frozen=True, kw_only=True)
class LastEffect(Record):
    """The newest effect of a rule: signal → Δ and verdict; ``at`` is when the loop had the change."""

    event_id: str
    at: datetime
    delta: Mapping[str, float]
    verdict: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Evidence(Record):
    """What speaks for a step of a rule.

    ``p_improve``: Σ w·P(signal improves) / Σ w under the posterior (S12), in [0, 1]; ``n`` effects are in it.
    ``decision_score``: S13's: improvement over the present value that the bandit expects × confidence of the impact
    analysis by its direction (0.9 improved, 0.6 unclear, −0.9 worsened; 0 without a report).
    """

    p_improve: float
    n: int
    decision_score: float = 0.0

    @property
    def total(self) -> float:
        """What proposals are ranked by."""
        return self.p_improve + self.decision_score


@dataclass(frozen=True, kw_only=True)
class Inputs(Record):
    """Everything that a decision rests on; recorded with it.

    ``levels``: signal → mean over the observed window, ``n`` samples in it. ``values``: rule → value now. ``blocked``:
    why nothing may be applied (gateway, pause). ``needs``: the signals that are not good, which the evidence is about.
    ``busy``: why nothing may be changed now (experiment, watch, cooldown).
    ``phase_shift``: correction of the phase target by the natural rhythm (S14). ``ratings``: mean of the readers'
    ratings in [0, 1]; None: there are none.
    """

    ts: datetime
    loop: str
    levels: Mapping[str, float]
    n: int
    values: Mapping[str, float]
    needs: Sequence[str] = ()
    last: Mapping[str, LastEffect] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    busy: Sequence[str] = ()
    blocked: Sequence[str] = ()
    phase_shift: float = 0.0
    ratings: float | None = None


@dataclass(frozen=True, kw_only=True)
class Proposal(Record):
    """A step: ``rule`` from ``old`` to ``new`` because ``need`` is not good."""

    rule: str
    old: float
    new: float
    need: str
    score: float
    p_improve: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Decision(Record):
    """``proposals`` in the order in which they would be tried; ``chosen``: what is done (or None), and ``why``."""

    proposals: Sequence[Proposal]
    chosen: Proposal | None
    why: str


def decide(inputs: Inputs, options: TuningOptions) -> Decision:
    """What to do now. Never raises: what is missing is a reason for no change."""
    if inputs.n < options.min_samples:
        return _none((), f"{inputs.n} samples in the last {options.observe_window_s:g} s; {options.min_samples} needed")
    proposals = _proposals(inputs, options)
    if warned := _warned(inputs, options):
        return _none(proposals, warned)
    if inputs.busy:
        return _none(proposals, inputs.busy[0])
    if not inputs.needs:
        return _none((), "every signal is at its target")
    against = 1.0 - options.threshold
    for proposal in proposals:
        if proposal.p_improve > against:
            return Decision(proposals=proposals, chosen=proposal, why=proposal.why)
    if proposals:
        best = proposals[0]
        step = f"{best.rule} → {best.new:g}, p_improve {best.p_improve:.2f}"
        return _none(proposals, f"the evidence speaks against every step (best: {step})")
    return _none((), f"{', '.join(inputs.needs)} not good, but every rule that could help is at its bound")


def unmet(levels: Mapping[str, float], phase_shift: float, options: TuningOptions) -> list[str]:
    """The signals whose level is beyond their target, in the order in which they are minded."""
    return [name for name in NEEDS if name in levels and not target_of(name, phase_shift, options).holds(levels[name])]


def target_of(name: str, phase_shift: float, options: TuningOptions) -> Bound:
    """A signal's target, the phase's with the correction by the natural rhythm; open where there is none."""
    target = options.targets.get(name, Bound())
    return target.moved(phase_shift) if name == "phase_diff" else target


def _proposals(inputs: Inputs, options: TuningOptions) -> list[Proposal]:
    found: dict[str, Proposal] = {}
    for need, rule, part in _STEPS:
        knob = options.rules.get(rule)
        if need not in inputs.needs or knob is None or rule not in inputs.values or rule in found:
            continue
        old = inputs.values[rule]
        new = round(min(max(old + knob.direction * knob.lr * part, knob.min), knob.max), 9)
        if new == old:
            continue
        evidence = inputs.evidence.get(rule, Evidence(p_improve=0.5, n=0))
        level, target = inputs.levels[need], target_of(need, inputs.phase_shift, options)
        found[rule] = Proposal(
            rule=rule,
            old=old,
            new=new,
            need=need,
            score=round(evidence.total * knob.weight, 6),
            p_improve=evidence.p_improve,
            why=(
                f"{need} is {level:.3f} and is to be {target}: {rule} {old:g} → {new:g} "
                f"(p_improve {evidence.p_improve:.2f} from {evidence.n} effects)"
            ),
        )
    # sorted() keeps S11's order between equals.
    return sorted(found.values(), key=lambda proposal: -proposal.score)


def _warned(inputs: Inputs, options: TuningOptions) -> str | None:
    """Which effect of the last change of a rule is a warning. It counts for a while: it must not block for ever."""
    since = inputs.ts - timedelta(seconds=WARNED_FOR * options.cooldown_s)
    for rule, effect in inputs.last.items():
        if effect.at < since:
            continue
        for name, bound in options.warn.items():
            delta = effect.delta.get(name)
            if delta is not None and bound.holds(delta):
                return f"the last change of {rule} moved {name} by {delta:+.3f} (warning {bound}): it is let settle"
    return None


def _none(proposals: Sequence[Proposal], why: str) -> Decision:
    return Decision(proposals=proposals, chosen=None, why=why)
