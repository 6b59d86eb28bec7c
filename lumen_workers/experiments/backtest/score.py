"""What a policy is judged by, against a plant whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.records import RuleSpec
from lumen_workers.domain.signals import GOOD, SIGNALS
from lumen_workers.experiments.bandit.options import Weights
from lumen_workers.experiments.tuning.options import Bound
from lumen_workers.loop.plant import PlantOptions

Floats = NDArray[np.float64]

REWARD: Final[Mapping[str, float]] = asdict(Weights())
"""Weights of the reward −w₁·phase − w₂·risk + w₃·creative (S13)."""


def reward(levels: Floats, weights: Mapping[str, float] = REWARD) -> Floats:
    """float64[…]: the reward of float64[…, 4] levels in SIGNALS' order."""
    signed = np.array([GOOD[name] * weights.get(name, 0.0) for name in SIGNALS])
    out: Floats = levels @ signed
    return out


def settled(plant: PlantOptions, values: Mapping[str, float], initial: Mapping[str, float]) -> Floats:
    """float64[4]: where the signals settle with the rules at ``values``, without noise, clipped to [0, 1]."""
    level = np.array([plant.base[name] for name in SIGNALS])
    for rule, value in values.items():
        gains = plant.gains.get(rule, {})
        level = level + (value - initial[rule]) * np.array([gains.get(name, 0.0) for name in SIGNALS])
    out: Floats = np.clip(level, 0.0, 1.0)
    return out


def best(
    plant: PlantOptions, rules: Mapping[str, RuleSpec], weights: Mapping[str, float] = REWARD
) -> tuple[dict[str, float], float]:
    """The rules' values with the greatest settled reward, and that reward.

    The plant is linear in its rules up to clipping, so the best of the corners of the bounds is the best there is, as
    long as no signal is at its limit there.
    """
    initial = {name: spec.initial for name, spec in rules.items()}
    corners = (
        dict(zip(rules, values, strict=True))
        for values in itertools.product(*((spec.min, spec.initial, spec.max) for spec in rules.values()))
    )
    scored = [(float(reward(settled(plant, corner, initial), weights)), corner) for corner in corners]
    top, values = max(scored, key=lambda item: item[0])
    return values, top


@dataclass(kw_only=True)
class Score:
    """Sums over the ticks so far. ``outside``: ticks at which a signal's true level was beyond its target."""

    targets: Mapping[str, Bound]
    best: float
    ticks: int = 0
    regret: float = 0.0
    outside: int = 0
    beyond: dict[str, int] = field(default_factory=dict)

    def add(self, levels: Floats) -> None:
        """Count float64[n, 4] true levels, one a tick."""
        self.ticks += len(levels)
        self.regret += float((self.best - reward(levels)).sum())
        out = np.zeros(len(levels), np.bool_)
        for name, bound in self.targets.items():
            column = levels[:, SIGNALS.index(name)]
            past = np.zeros(len(levels), np.bool_)
            if bound.max is not None:
                past |= column > bound.max
            if bound.min is not None:
                past |= column < bound.min
            self.beyond[name] = self.beyond.get(name, 0) + int(past.sum())
            out |= past
        self.outside += int(out.sum())
