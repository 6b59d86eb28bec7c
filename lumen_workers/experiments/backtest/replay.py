"""Recorded history gone through again: at each change that was made, what would a policy have proposed?

A policy that was not in charge cannot be scored by what it would have led to. What can be said is whether the changes
that it would have made, too, did better than the others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lumen_workers.domain.records import Effect, EffectStatus, RuleEvent
from lumen_workers.domain.signals import GOOD, SIGNALS
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments import bayes
from lumen_workers.experiments.backtest.score import REWARD
from lumen_workers.experiments.bayes import Observations, Priors
from lumen_workers.experiments.belief import LoopBelief
from lumen_workers.experiments.tuning.decide import Evidence, Inputs, Proposal, decide, unmet
from lumen_workers.experiments.tuning.options import TuningOptions

POLICIES: Final = ("hold", "heuristic", "tuned")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Changes of one kind: how many, and the mean change of the reward with its 95 % interval (None below two)."""

    n: int
    mean: float | None
    lo: float | None
    hi: float | None


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a policy would have made of ``changes`` measured ones.

    ``agreed``: it would have moved the same rule the same way; ``opposed``: the same rule the other way; ``passed``:
    another rule or nothing. ``improved_kept`` of the ``improved`` changes it would have made, too; ``worsened_avoided``
    of the ``worsened`` ones it would not.
    """

    policy: str
    changes: int
    agreed: Group
    opposed: Group
    passed: Group
    improved: int
    improved_kept: int
    worsened: int
    worsened_avoided: int

    def plain(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def replay(rows: Sequence[tuple[RuleEvent, Effect]], options: TuningOptions, priors: Priors, policy: str) -> Replay:
    """Go through ``rows`` (oldest first). The belief of ``tuned`` holds the effects before each change, none later."""
    seen: dict[str, dict[str, Observations]] = {}
    values: dict[str, float] = {}
    gains: dict[str, list[float]] = defaultdict(list)
    counts = dict.fromkeys(("improved", "improved_kept", "worsened", "worsened_avoided"), 0)
    measured = [(event, effect) for event, effect in rows if effect.status is EffectStatus.COMPUTED]
    for event, effect in measured:
        values.setdefault(event.rule, event.old)
        chosen = _propose(event, effect, values | {event.rule: event.old}, options, priors, seen, policy)
        same_rule = chosen is not None and chosen.rule == event.rule
        same_way = chosen is not None and same_rule and (chosen.new - chosen.old) * (event.new - event.old) > 0
        kind = "agreed" if same_way else "opposed" if same_rule else "passed"
        gains[kind].append(_gain(effect))
        verdicts = {signal.verdict for name, signal in effect.signals.items() if name in options.weights}
        if Verdict.WORSENED in verdicts:
            counts["worsened"] += 1
            counts["worsened_avoided"] += kind != "agreed"
        elif Verdict.IMPROVED in verdicts:
            counts["improved"] += 1
            counts["improved_kept"] += kind == "agreed"
        values[event.rule] = event.new
        new = bayes.pool([(event.new - event.old, effect.signals)], priors.noise_sigma)
        before = seen.get(event.rule, {})
        seen[event.rule] = {name: before.get(name, Observations()).with_(new[name]) for name in SIGNALS}
    return Replay(
        policy=policy,
        changes=len(measured),
        agreed=_group(gains["agreed"]),
        opposed=_group(gains["opposed"]),
        passed=_group(gains["passed"]),
        **counts,
    )


def _propose(
    event: RuleEvent,
    effect: Effect,
    values: Mapping[str, float],
    options: TuningOptions,
    priors: Priors,
    seen: Mapping[str, Mapping[str, Observations]],
    policy: str,
) -> Proposal | None:
    if policy == "hold":
        return None
    levels = {name: signal.pre for name, signal in effect.signals.items() if signal.pre is not None}
    needs = unmet(levels, 0.0, options)
    # A rule that has not changed yet stands somewhere within its bounds: its middle says which way there is room.
    known = {rule: values.get(rule, (knob.min + knob.max) / 2) for rule, knob in options.rules.items()}
    belief = LoopBelief(priors=priors, seen=seen, scores={})
    inputs = Inputs(
        ts=event.ts,
        loop=event.loop,
        levels=levels,
        n=options.min_samples,
        values=known,
        needs=needs,
        evidence={
            rule: belief.evidence(rule, knob.direction * knob.lr, needs)
            if policy == "tuned"
            else Evidence(p_improve=1.0, n=0)
            for rule, knob in options.rules.items()
        },
    )
    return decide(inputs, options).chosen


def _gain(effect: Effect) -> float:
    """The change of the reward."""
    return sum(
        GOOD[name] * weight * delta
        for name, weight in REWARD.items()
        if (delta := effect.signals[name].delta) is not None
    )


def _group(gains: Sequence[float]) -> Group:
    n = len(gains)
    if n < 2:
        return Group(n=n, mean=gains[0] if gains else None, lo=None, hi=None)
    from scipy.special import stdtrit

    mean = math.fsum(gains) / n
    se = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (n - 1) / n)
    reach = float(stdtrit(n - 1, 0.975)) * se
    return Group(n=n, mean=mean, lo=mean - reach, hi=mean + reach)
