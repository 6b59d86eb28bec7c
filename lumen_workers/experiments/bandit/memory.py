"""What is kept of the rounds: a memory that forgets nothing, one that fades, and how well each of them foretold.

All arrays have any leading axes (as many bandits side by side), then G memories, then K arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lumen_workers.experiments.bandit.belief import Belief, Floats, Prior, believe


@dataclass(frozen=True, slots=True)
class Memory:
    """``n`` and ``sums`` are [..., G, K], ``squares`` and ``evidence`` [..., G]; sums are of reward − ``base`` [...].

    ``base`` is the first known reward, NaN before it. ``evidence`` is the faded sum of the logarithms of the
    densities that each memory gave to the rewards before it saw them: at each round what was there counts √discount,
    so that the better memory of late has the say (dynamic model averaging, Raftery et al., Technometrics 52 (2010) 52).
    """

    discounts: tuple[float, ...]
    n: Floats
    sums: Floats
    squares: Floats
    evidence: Floats
    base: Floats

    @classmethod
    def empty(cls, arms: int, discount: float, bandits: tuple[int, ...] = ()) -> Self:
        """Nothing seen yet; ``discount`` 1 leaves one memory."""
        discounts = (1.0,) if discount == 1.0 else (1.0, discount)
        wide, slim = (*bandits, len(discounts), arms), (*bandits, len(discounts))
        return cls(discounts, np.zeros(wide), np.zeros(wide), np.zeros(slim), np.zeros(slim), np.full(bandits, np.nan))

    def known(self) -> NDArray[np.bool_]:
        """Which bandits have seen a reward, [...]."""
        return ~np.isnan(self.base)

    def weights(self) -> Floats:
        """The say of each memory, [..., G]; sums to 1."""
        relative = np.exp(self.evidence - np.max(self.evidence, axis=-1, keepdims=True))
        weights: Floats = relative / np.sum(relative, axis=-1, keepdims=True)
        return weights

    def whole(self) -> Self:
        """The memory that forgets nothing, alone."""
        first = slice(0, 1)
        return type(self)(
            self.discounts[first],
            self.n[..., first, :],
            self.sums[..., first, :],
            self.squares[..., first],
            self.evidence[..., first],
            self.base,
        )

    def belief(self, prior: Prior) -> Belief:
        """Each memory's posterior, [..., G]; every bandit must have seen a reward."""
        return believe(self.n, self.sums, self.squares, prior)

    def aged(self, rounds: int = 1) -> Self:
        """The memories ``rounds`` rounds later, nothing new seen."""
        fade = np.array(self.discounts) ** rounds
        faint = math.sqrt(min(self.discounts)) ** rounds
        return type(self)(
            self.discounts,
            self.n * fade[:, None],
            self.sums * fade[:, None],
            self.squares * fade,
            self.evidence * faint,
            self.base,
        )

    def learnt(self, arm: NDArray[np.int64], reward: Floats, prior: Prior) -> Self:
        """One round later: the place of the ``arm`` played [...] and its ``reward`` [...], NaN where it is missing."""
        older = self.aged()
        told, before = ~np.isnan(reward), self.known()
        base = np.where(before, self.base, reward)
        value = np.where(told, reward - base, 0.0)[..., None]
        mark = np.where(told[..., None], np.arange(self.n.shape[-1]) == arm[..., None], False)[..., None, :]
        judged = told & before
        evidence = older.evidence
        if len(self.discounts) > 1 and np.any(judged):
            with np.errstate(divide="ignore", invalid="ignore"):  # bandits without a reward, which are not judged
                foretold = density(self.belief(prior), mark, value)
            evidence = evidence + np.where(judged[..., None], foretold, 0.0)
        return type(self)(
            self.discounts,
            older.n + mark,
            older.sums + mark * value[..., None],
            older.squares + value**2,
            evidence,
            base,
        )


def density(belief: Belief, mark: NDArray[np.bool_], value: Floats) -> Floats:
    """Logarithm of the density of a reward of the marked arm [..., 1, K], [..., G], up to a common constant."""
    from scipy.special import gammaln  # it costs time at start

    at = np.sum(np.where(mark, belief.mu, 0.0), axis=-1)
    own = np.sum(np.where(mark, belief.own, 0.0), axis=-1)
    scale = belief.scale * np.sqrt(1.0 + own + own**2 / belief.common)
    df, off = belief.df, (value - at) / scale
    half = (df + 1.0) / 2.0
    logs: Floats = gammaln(half) - gammaln(df / 2.0) - np.log(df) / 2.0 - np.log(scale) - half * np.log1p(off**2 / df)
    return logs
