"""Which arm a round plays, what is believed of each, and when there is nothing left to learn. Pure functions.

Thompson sampling (Thompson, Biometrika 25 (1933) 285) with an unknown level, an unknown noise and a memory that
fades where the loop drifts. The probabilities are computed first and the arm is drawn from them, so what is logged is
what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.bandit.belief import Floats, Prior, raised, wins
from lumen_workers.experiments.bandit.chance import DRAWS, of_round
from lumen_workers.experiments.bandit.memory import Memory
from lumen_workers.experiments.bandit.options import ArmBelief, BanditOptions, Choice, Finished, Played
from lumen_workers.experiments.mixture import Mixture

LEVEL: Final = 0.95
"""Of the interval of an arm's mean reward."""

_TRUSTED = 0.5
_UNKNOWN: Final[dict[str, Any]] = {"sigma": None, "low": None, "high": None}


@dataclass(frozen=True, slots=True)
class Draws:
    """What the draws before a round say of each arm: how many it wins, and the mean loss of taking it (None: no reward
    yet)."""

    won: tuple[int, ...]
    loss: tuple[float, ...] | None


def choose(history: Sequence[Played], options: BanditOptions, round: int) -> Choice:  # noqa: A002  (the log's word)
    """The arm of ``round``, which must lie behind every round of ``history`` (ascending).

    The same arguments give the same choice on any machine. Raises UsageError for rounds out of order and for an arm
    that is none of the options'.
    """
    drawn = _draws(remember(history, options, round), options, round)
    propensities = raised(np.array(drawn.won) / DRAWS, options.floor)
    point = of_round(options.seed, round, len(options.arms)).point
    place = min(int(np.searchsorted(np.cumsum(propensities), point, side="right")), len(options.arms) - 1)
    return Choice(
        round=round,
        arm=options.arms[place],
        propensities=tuple(map(float, propensities)),
        draws=drawn.won,
        point=point,
    )


def posterior(history: Sequence[Played], options: BanditOptions) -> tuple[ArmBelief, ...]:
    """What is believed of each arm behind the last round of ``history``, in the order of the options' arms."""
    upcoming = history[-1].round + 1 if history else 1
    memory = remember(history, options, upcoming)
    drawn = _draws(memory, options, upcoming)
    known = _marginals(memory, options) if memory.known() else None
    return tuple(
        ArmBelief(
            arm=arm,
            plays=sum(one.arm == arm for one in history),
            rewards=sum(one.arm == arm and one.reward is not None for one in history),
            **(_told(known[place], float(memory.base)) if known else {**_UNKNOWN, "mu": options.mu0}),
            p_best=drawn.won[place] / DRAWS,
            loss=None if drawn.loss is None else drawn.loss[place],
        )
        for place, arm in enumerate(options.arms)
    )


def _told(reward: Mixture, base: float) -> dict[str, float]:
    """An arm's mean reward in numbers."""
    low, high = reward.interval(LEVEL)
    return {"mu": reward.mean + base, "sigma": reward.sd, "low": low + base, "high": high + base}


def finished(history: Sequence[Played], options: BanditOptions) -> Finished | None:
    """Why no further round is needed; None while one is.

    Which arm is clear is asked of the memory that forgets nothing, as long as it foretells no worse than the fading
    one: when the loop drifts, no arm is clear.
    """
    if len(history) < options.stop_rounds:
        return Finished.ROUNDS if len(history) >= options.rounds else None
    views = [
        _settled(history[:end], options) for end in range(len(history) - options.stop_rounds + 1, len(history) + 1)
    ]
    settled = [view for view in views if view is not None]
    if len(settled) == len(views):
        best = {view.won.index(max(view.won)) for view in settled}
        least, most = options.stop_probability, options.stop_loss
        if least is not None and len(best) == 1 and all(max(view.won) >= least * DRAWS for view in settled):
            return Finished.CLEAR
        if most is not None and all(view.loss is not None and min(view.loss) <= most for view in settled):
            return Finished.CLOSE
    return Finished.ROUNDS if len(history) >= options.rounds else None


def prior_of(options: BanditOptions) -> Prior:
    """The prior in the terms of the posterior's formulas."""
    return Prior(options.sigma0 / options.noise_sigma, options.noise_df, options.noise_sigma)


def remember(history: Sequence[Played], options: BanditOptions, upcoming: int) -> Memory:
    """What is kept of ``history`` when round ``upcoming`` begins."""
    memory, last, prior = Memory.empty(len(options.arms), options.discount), None, prior_of(options)
    for one in history:
        if last is not None and one.round <= last:
            raise UsageError(f"rounds: {one.round} stands behind {last}; give the rounds in ascending order")
        if last is not None and one.round > last + 1:
            memory = memory.aged(one.round - last - 1)
        reward = np.asarray(np.nan if one.reward is None else one.reward)
        memory, last = memory.learnt(np.asarray(options.place(one.arm)), reward, prior), one.round
    if last is not None and upcoming <= last:
        raise UsageError(f"round {upcoming} is over already; the next one is {last + 1}")
    return memory if last is None else memory.aged(upcoming - last - 1)


def sampled(memory: Memory, prior: Prior, normals: Floats, chi2: Sequence[Floats]) -> Floats:
    """Draws of the arms' means, relative to the base, [..., M, K]; the first ones come from the memory that is whole.

    ``normals`` is [..., M, K + 1]; ``chi2`` has [..., M] draws for each memory, with its degrees of freedom. Each
    memory has its share of the M draws.
    """
    belief, weights = memory.belief(prior), memory.weights()
    draws = normals.shape[-2]
    until = np.rint(np.cumsum(weights, axis=-1) * draws)
    out = belief.part(0).means(normals, chi2[0])
    for place in range(1, len(memory.discounts)):
        later = np.arange(draws) >= until[..., place - 1, None]
        out = np.where(later[..., None], belief.part(place).means(normals, chi2[place]), out)
    return out


def _settled(history: Sequence[Played], options: BanditOptions) -> Draws | None:
    """The draws behind ``history`` from the memory that forgets nothing; None while the fading one foretells better."""
    upcoming = history[-1].round + 1
    memory = remember(history, options, upcoming)
    return _draws(memory.whole(), options, upcoming) if memory.weights()[0] >= _TRUSTED else None


def _draws(memory: Memory, options: BanditOptions, number: int) -> Draws:
    """The draws of round ``number``; before the first reward every arm wins as often as any other."""
    from scipy.special import chdtri  # it costs time at start

    arms = len(options.arms)
    if not memory.known():
        return Draws(tuple(DRAWS // arms + (place < DRAWS % arms) for place in range(arms)), None)
    prior = prior_of(options)
    chance = of_round(options.seed, number, arms)
    chi2 = [chdtri(df, chance.uniforms) for df in memory.belief(prior).df]
    means = sampled(memory, prior, chance.normals, chi2)
    loss = np.mean(np.max(means, axis=-1)) - np.mean(means, axis=0)
    return Draws(tuple(map(int, wins(means))), tuple(map(float, loss)))


def _marginals(memory: Memory, options: BanditOptions) -> list[Mixture]:
    """Each arm's mean reward, relative to the base."""
    belief, weights = memory.belief(prior_of(options)), memory.weights()
    spread = belief.spread()
    return [Mixture(weights, belief.mu[:, place], spread[:, place], belief.df) for place in range(len(options.arms))]
