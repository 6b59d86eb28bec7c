"""The Bayesian update at the null: how often it is sure of what is not there; and how often it holds what is."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from support.proofs.coverage import SD as SIMULATED_SD
from support.proofs.coverage import ar1, simulated

from lumen_workers.domain.records import SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.intervals import differences
from lumen_workers.experiments import bayes
from lumen_workers.experiments.bayes import Normal, Observations, Priors

STEP: Final = 0.02
NINETY: Final = 1.6448536269514722
"""Φ⁻¹(0.95)."""
PRIORS: Final = Priors(
    effects={"rule": dict.fromkeys(SIGNALS, Normal(mu=0.0, sigma=0.02))}, steps={"rule": STEP}, noise_sigma=0.02
)


Effects = list[tuple[float, float]]


def simulated_effects(*, phi: float, count: int, seed: int, sd: float = 0.02) -> tuple[Effects, Effects]:
    """(Δ, standard error) of null changes: by the interval, and by independent samples."""
    pairs, _ = simulated(ar1(phi, samples=145), count // len(SIGNALS) + 1, seed)
    scale = sd / SIMULATED_SD
    honest: Effects = []
    naive: Effects = []
    for (pre, post), found in zip(pairs, differences(pairs, 5), strict=True):
        for column, name in enumerate(SIGNALS):
            interval = found[name]
            assert interval is not None
            effect = SignalEffect(
                delta=interval.delta * scale, lo=interval.lo * scale, hi=interval.hi * scale, level=interval.level
            )
            se = bayes.standard_error(effect, PRIORS.noise_sigma)
            assert se is not None
            honest.append((interval.delta * scale, se))
            own = [block.values[:, column] for block in (pre, post)]
            naive.append((interval.delta * scale, scale * float(np.sqrt(sum(x.var(ddof=1) / len(x) for x in own)))))
    return honest, naive


def sure(*, phi: float, pooled: int, runs: int, seed: int, sd: float = 0.02) -> dict[str, float]:
    """Share of null changes with p_improve above .95 or below .05, from ``pooled`` effects each.

    ``honest``: as shipped. ``independent``: the same update with the standard errors of independent samples, which the
    scatter of the effects mends where there are several. ``plain``: those standard errors and nothing else.
    """
    honest, naive = simulated_effects(phi=phi, count=runs * pooled, seed=seed, sd=sd)
    return {
        "honest": _sure(honest, pooled, runs),
        "independent": _sure(naive, pooled, runs),
        "plain": _sure(naive, pooled, runs, plain=True),
    }


def held(*, phi: float, pooled: int, runs: int, seed: int, days: float = 0.0) -> float:
    """Share of central 90 % ranges of the posterior that hold the effect of a step, drawn from the prior itself.

    ``days``: by how much the effect differs from change to change (standard deviation); the mean one is to be held.
    """
    honest, _ = simulated_effects(phi=phi, count=runs * pooled, seed=seed)
    rng = np.random.default_rng(seed)
    prior = PRIORS.per_unit("rule", "risk_band")
    inside = 0
    for run in range(runs):
        truth = rng.normal(0.0, prior.sigma * STEP)
        seen = Observations()
        for delta, se in honest[run * pooled : (run + 1) * pooled]:
            seen = seen.plus(STEP, delta + truth + rng.normal(0.0, days), se)
        posterior = bayes.update(prior, seen).scaled(STEP)
        inside += abs(truth - posterior.mu) <= NINETY * posterior.sigma
    return inside / runs


def _sure(effects: Effects, pooled: int, runs: int, *, plain: bool = False) -> float:
    prior = PRIORS.per_unit("rule", "risk_band")
    called = 0
    for run in range(runs):
        own = effects[run * pooled : (run + 1) * pooled]
        seen = Observations()
        if plain:
            precision = sum(1 / (se * se) for _, se in own)
            mean = sum(delta / (se * se) for delta, se in own) / precision
            seen = seen.plus(STEP, mean, precision**-0.5)
        else:
            for delta, se in own:
                seen = seen.plus(STEP, delta, se)
        p = bayes.p_improve(bayes.update(prior, seen).scaled(STEP), "risk_band")
        called += p > 0.95 or p < 0.05
    return called / runs


def pooling(*, runs: int, seed: int, gain: float = 0.6, se: float = 0.006) -> dict[str, float]:
    """Mean error of the pooled effect of a step of +.02 when steps are −.04, .02 and .06: per unit, and unscaled."""
    rng = np.random.default_rng(seed)
    steps = (-0.04, 0.02, 0.06)
    wide = replace(PRIORS, effects={"rule": dict.fromkeys(SIGNALS, Normal(mu=0.0, sigma=10.0))})
    scaled, plain = [], []
    for _ in range(runs):
        deltas = [gain * step + rng.normal(0, se) for step in steps]
        changes = [
            (step, {"risk_band": SignalEffect(delta=delta, lo=delta - 1.96 * se, hi=delta + 1.96 * se, level=0.95)})
            for step, delta in zip(steps, deltas, strict=True)
        ]
        seen = bayes.pool(changes, 0.02)["risk_band"]
        scaled.append(bayes.update(wide.per_unit("rule", "risk_band"), seen).scaled(STEP).mu - gain * STEP)
        plain.append(float(np.mean(deltas)) - gain * STEP)
    return {"per_unit": float(np.mean(scaled)), "unscaled": float(np.mean(plain))}
