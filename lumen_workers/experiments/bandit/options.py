"""What a bandit is run with, what it has seen, what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import Record, RuleSpec


@dataclass(frozen=True, kw_only=True)
class Weights(Record):
    """What a unit of each signal is worth: phase diff and risk band cost, creative band earns."""

    phase_diff: float = 0.5
    risk_band: float = 0.3
    creative_band: float = 0.2


@dataclass(frozen=True, kw_only=True)
class BanditOptions(Record):
    """A bandit on one rule. Rewards in the units of the weighted signals.

    ``arms`` are values of the rule, at least two and no two equal. A round's
    reward is the mean over its samples behind the washout.

    ``sigma0`` is the scatter of arms around their common level and ``noise_sigma`` that of one round's reward around
    its arm, as believed beforehand; the belief in the noise weighs as much as ``noise_df`` (> 2) rounds. ``mu0`` is
    the level before the first reward: it is shown, and has no say in any choice.

    In case the loop drifts, a second memory, in which a round that is k rounds old counts ``discount``^k, stands beside
    the one that forgets nothing; each has a say by how well it foretold the rewards. 0 < discount ≤ 1; 1: no second
    memory. No arm's probability is below ``floor``, 0 ≤ floor ≤ 1/arms. All chance comes from ``seed`` ≥ 0 and the
    round's number.

    ``stop_rounds`` rounds in succession with one arm the best with probability ``stop_probability`` end the bandit, and
    so do as many in which taking the best one would lose at most ``stop_loss`` on average; None: never for that reason.
    """

    rule: str
    arms: tuple[float, ...]
    seed: int
    weights: Weights = Weights()
    rounds: int = 6
    mu0: float = 0.0
    sigma0: float = 0.05
    noise_sigma: float = 0.05
    noise_df: float = 4.0
    discount: float = 0.98
    floor: float = 0.05
    stop_probability: float | None = 0.99
    stop_rounds: int = 3
    stop_loss: float | None = None

    def place(self, arm: float) -> int:
        """Where ``arm`` stands among the arms. Raises UsageError for another value."""
        try:
            return self.arms.index(arm)
        except ValueError:
            raise UsageError(f"{arm:g} is no arm of this bandit; it has {_listed(self.arms)}") from None


@dataclass(frozen=True, kw_only=True)
class Played(Record):
    """A round that is over. ``reward`` is None where there were too few samples: the arm was played, nothing is known.

    ``propensities`` are the probabilities of the draw that chose ``arm``, in the order of the options' arms.
    """

    round: int
    arm: float
    propensities: tuple[float, ...]
    reward: float | None


@dataclass(frozen=True, kw_only=True)
class Choice(Record):
    """The arm of a round. It was drawn from ``propensities`` and from nothing else.

    ``draws`` counts, for each arm, the draws from the posterior in which it was the best: their shares, raised to the
    floor, are the propensities. ``point`` in [0, 1) is the number that picked the arm along their running sum.
    """

    round: int
    arm: float
    propensities: tuple[float, ...]
    draws: tuple[int, ...]
    point: float


@dataclass(frozen=True, kw_only=True)
class ArmBelief(Record):
    """What is believed of an arm before the next round.

    ``mu`` and ``sigma`` are mean and standard deviation of its mean reward; [``low``, ``high``] holds it with
    probability 0.95. All four are None before the first reward, but for ``mu``, which is the prior's. ``plays``
    counts rounds, ``rewards`` those whose reward is known. ``p_best`` is the probability that no arm is better,
    ``loss`` what taking it would lose on average against the best one (None before the first reward).
    """

    arm: float
    plays: int
    rewards: int
    mu: float
    sigma: float | None
    low: float | None
    high: float | None
    p_best: float
    loss: float | None


class Finished(StrEnum):
    """Why a bandit needs no further round."""

    ROUNDS = "rounds"
    """All rounds are over."""
    CLEAR = "clear"
    """One arm is the best, with the probability that was asked for."""
    CLOSE = "close"
    """Whichever arm is better than the one that looks best, it is not better by a size that matters."""


def check_arms(options: BanditOptions, spec: RuleSpec) -> None:
    """Raise UsageError when the rule is another one, or an arm lies outside the rule's bounds."""
    if options.rule != spec.name:
        raise UsageError(f"the bandit is about {options.rule}, not about {spec.name}")
    if outside := [arm for arm in options.arms if not spec.min <= arm <= spec.max]:
        raise UsageError(
            f"arms: {_listed(outside)} outside the bounds of {spec.name}, {spec.min:g} to {spec.max:g}; change the arms"
        )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
