"""What the effects of a rule say together: a normal-normal update, per unit of rule change (S12)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import SignalEffect
from lumen_workers.domain.signals import GOOD, SIGNALS

WEIGHTS: Final[Mapping[str, float]] = {"phase_diff": 1.2, "risk_band": 1.0, "creative_band": 0.8}

_REACH: Final = 1.959963984540054
"""Φ⁻¹(0.975)."""


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal belief; ``sigma`` > 0."""

    mu: float
    sigma: float

    def p_below(self, value: float) -> float:
        """P(x < value)."""
        return 0.5 * math.erfc((self.mu - value) / (self.sigma * math.sqrt(2)))

    def scaled(self, factor: float) -> Normal:
        """The belief of ``factor`` · x; ``factor`` is not 0."""
        return Normal(mu=self.mu * factor, sigma=self.sigma * abs(factor))


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Effects of changes of one rule on one signal, pooled: ``n`` of them, Σ s², Σ s·Δ, Σ Δ², Σ se², with s the steps.

    A regression through the origin: Δ = effect per unit · s + noise.
    """

    n: int = 0
    steps: float = 0.0
    product: float = 0.0
    squares: float = 0.0
    variances: float = 0.0

    def plus(self, step: float, delta: float, se: float) -> Observations:
        """With one more; ``step`` is not 0, ``se`` > 0."""
        return self.with_(
            Observations(n=1, steps=step * step, product=step * delta, squares=delta * delta, variances=se * se)
        )

    def with_(self, other: Observations) -> Observations:
        """Both together."""
        return Observations(
            n=self.n + other.n,
            steps=self.steps + other.steps,
            product=self.product + other.product,
            squares=self.squares + other.squares,
            variances=self.variances + other.variances,
        )

    @property
    def mean(self) -> float | None:
        """The effect per unit, Σ s·Δ / Σ s²; None without any."""
        return self.product / self.steps if self.n else None

    @property
    def variance(self) -> float:
        """Of one Δ about its expectation: the mean of the squared standard errors, or what the effects scatter by, if
        that is more.

        The mean, not each one's own: a standard error from half a minute is itself uncertain, and weights by it would
        favour those that came out too small. The scatter, since a rule may do more on one day than on another.
        """
        known = self.variances / self.n
        if self.n < 2:
            return known
        rest = self.squares - self.product * self.product / self.steps
        return max(known, rest / (self.n - 1))


@dataclass(frozen=True, kw_only=True)
class Priors:
    """``effects``: rule → signal → belief of Δ for a change of the rule by its ``steps``; ``weights``: of the signals.

    ``noise_sigma``: standard error of an effect that has no interval. ``threshold``: the weighted p_improve from which
    a change counts as one that helps.
    """

    effects: Mapping[str, Mapping[str, Normal]]
    steps: Mapping[str, float]
    noise_sigma: float = 0.02
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    threshold: float = 0.62

    def __post_init__(self) -> None:
        for name in self.weights:
            if name not in SIGNALS:
                raise UsageError(f"priors: weights: unknown signal {name!r}; there are {', '.join(SIGNALS)}")
        if min(self.weights.values(), default=0) < 0 or not sum(self.weights.values()) > 0:
            raise UsageError("priors: the weights are not negative, and one is above 0")
        for rule, signals in self.effects.items():
            if not self.steps.get(rule):
                raise UsageError(f"priors: {rule} needs a step, the change of the rule that its effects are for")
            for name in signals:
                if name not in SIGNALS:
                    raise UsageError(f"priors: {rule}: unknown signal {name!r}; there are {', '.join(SIGNALS)}")

    def per_unit(self, rule: str, signal: str) -> Normal:
        """The prior of Δ per unit of ``rule``; a rule or signal that has none gets one centred on no effect, as wide as
        the noise of one effect of a step.
        """
        known = self.effects.get(rule, {}).get(signal)
        step = self.steps.get(rule, 0.02)
        return (known or Normal(mu=0.0, sigma=self.noise_sigma)).scaled(1.0 / step)


def update(prior: Normal, seen: Observations) -> Normal:
    """The posterior of the effect per unit: precisions add up, the mean is weighted by them.

    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.5.
    """
    if not seen.n:
        return prior
    own, variance = 1.0 / (prior.sigma * prior.sigma), seen.variance
    precision = own + seen.steps / variance
    return Normal(mu=(own * prior.mu + seen.product / variance) / precision, sigma=math.sqrt(1.0 / precision))


def standard_error(signal: SignalEffect, noise_sigma: float) -> float | None:
    """What to take for the standard error of an effect's Δ: that of the normal whose 95 % range is as wide as the
    effect's interval, so that few degrees of freedom and an uncertain phi count. ``noise_sigma`` where there is no
    interval; None without Δ.
    """
    if signal.delta is None:
        return None
    if signal.lo is None or signal.hi is None or signal.level is None:
        return noise_sigma
    # The interval's own level: 1.96 stands for 95 %.
    return (signal.hi - signal.lo) / 2 / _quantile(signal.level)


def p_improve(belief: Normal, signal: str) -> float:
    """P(the signal gets better): P(Δ < 0) for phase, entropy and risk, P(Δ > 0) for creative."""
    below = belief.p_below(0.0)
    return below if GOOD[signal] < 0 else 1.0 - below


def weighted(chances: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Σ w·p / Σ w over the signals that have both; 0.5 when none has."""
    shared = {name: weight for name, weight in weights.items() if name in chances and weight > 0}
    total = sum(shared.values())
    return sum(weight * chances[name] for name, weight in shared.items()) / total if total else 0.5


def pool(changes: Iterable[tuple[float, Mapping[str, SignalEffect]]], noise_sigma: float) -> dict[str, Observations]:
    """Signal → observations from (step, effects by signal) of one rule's changes; steps of 0 say nothing."""
    out: dict[str, Observations] = {name: Observations() for name in SIGNALS}
    for step, signals in changes:
        for name in SIGNALS:
            signal = signals.get(name)
            se = None if signal is None or step == 0 else standard_error(signal, noise_sigma)
            if signal is None or signal.delta is None or se is None or se <= 0:
                continue
            out[name] = out[name].plus(step, signal.delta, se)
    return out


def _quantile(level: float) -> float:
    """Φ⁻¹((1 + level)/2)."""
    if level == 0.95:
        return _REACH
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
