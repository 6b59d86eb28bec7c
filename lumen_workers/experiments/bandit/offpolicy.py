"""What one arm, played in every round, would have earned: from the log of a policy that learnt as it went.

An adaptive log is no random sample: an arm that starts badly is dropped, so its plain mean is too low. Each round
instead gets a doubly robust score, Γ_t = m_t + 1{arm played}·(y_t − m_t)/e_t, with e_t the logged probability of the
arm and m_t its mean as believed before the round, and scores are averaged with weights h_t = √e_t, which evens out
their variances: the estimate is unbiased up to its weights, close to normal, and rounds in which the arm had hardly a
chance count little. Source: Hadad, Hirshberg, Zhan, Wager & Athey, PNAS 118 (2021) e2014602118, "constant allocation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import Record
from lumen_workers.experiments.bandit.belief import Floats
from lumen_workers.experiments.bandit.memory import Memory
from lumen_workers.experiments.bandit.options import BanditOptions, Played
from lumen_workers.experiments.bandit.policy import prior_of

PLAYS = 2
"""Fewest plays with a known reward behind the first one for an interval."""
_LEVEL = 0.95


class Verdict(StrEnum):
    """Whether the log tells what an arm is worth."""

    ESTIMATED = "estimated"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, kw_only=True)
class ArmValue(Record):
    """Mean reward of ``arm`` over the log's rounds, had it been played in all of them.

    [``low``, ``high``] is a 95 % interval. All three are None when the arm has fewer than PLAYS ``plays`` that count;
    ``rounds`` are those that count: their reward is known, and some reward before it.
    """

    arm: float
    estimate: float | None
    low: float | None
    high: float | None
    plays: int
    rounds: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Estimates:
    """Arrays of any shape: estimate, its standard error, degrees of freedom; NaN where ``plays`` is below PLAYS."""

    value: Floats
    error: Floats
    df: Floats
    plays: NDArray[np.int64]

    def half(self) -> Floats:
        """Half the width of the 95 % interval."""
        from scipy.special import stdtrit  # it costs time at start

        width: Floats = self.error * stdtrit(self.df, (1.0 + _LEVEL) / 2.0)
        return width


def value_of_arm(log: Sequence[Played], arm: float, options: BanditOptions) -> ArmValue:
    """The value of always playing ``arm``. ``log`` has rounds in ascending order; rounds without a reward are left out,
    as if it were chance that they have none.

    Raises UsageError for an arm that is none of the options', and when the arm that was played has no probability.
    """
    place = options.place(arm)
    memory, prior = Memory.empty(len(options.arms), 1.0), prior_of(options)
    played, rewards, chances, models = [], [], [], []
    for one in log:
        if one.reward is None:
            continue
        at = options.place(one.arm)
        if len(one.propensities) != len(options.arms) or not one.propensities[at] > 0.0:
            raise UsageError(
                f"round {one.round}: needs the probability of each arm, above 0 for the one that was played; "
                "give the propensities that were logged"
            )
        if memory.known():
            played.append(at == place)
            rewards.append(one.reward)
            chances.append(one.propensities[place])
            models.append(float(memory.belief(prior).mu[0, place] + memory.base))
        memory = memory.learnt(np.asarray(at), np.asarray(one.reward), prior)
    found = estimate(np.array(played, np.bool_), np.array(rewards), np.array(chances), np.array(models))
    plays = int(found.plays)
    if plays < PLAYS:
        nothing = Verdict.INSUFFICIENT
        return ArmValue(arm=arm, estimate=None, low=None, high=None, plays=plays, rounds=len(rewards), verdict=nothing)
    value, half = float(found.value), float(found.half())
    return ArmValue(
        arm=arm,
        estimate=value,
        low=value - half,
        high=value + half,
        plays=plays,
        rounds=len(rewards),
        verdict=Verdict.ESTIMATED,
    )


def estimate(played: NDArray[np.bool_], rewards: Floats, chances: Floats, models: Floats) -> Estimates:
    """Rounds on the last axis: whether the arm was played, the round's reward, the arm's probability and its mean as
    believed before.

    The interval is Student's t on plays − 1 degrees of freedom, its variance multiplied by plays/(plays − 1): it is the
    rounds in which the arm was played that carry the chance.
    """
    weights = np.sqrt(chances)
    correction = np.divide(rewards - models, chances, out=np.zeros_like(rewards), where=played)
    scores = models + correction
    plays = np.count_nonzero(played, axis=-1)
    enough = plays >= PLAYS
    total = np.where(enough, np.sum(weights, axis=-1), np.nan)
    value = np.sum(weights * scores, axis=-1) / total
    df = np.where(enough, plays - 1.0, np.nan)
    squares = np.sum(weights**2 * (scores - value[..., None]) ** 2, axis=-1)
    return Estimates(value, np.sqrt(squares * plays / df) / total, df, np.asarray(plays))
