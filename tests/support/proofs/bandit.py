"""What the bandit loses on the way, and whether its log tells what each arm is worth: many runs side by side.

The policy, the posterior and the estimators are the product's; only the loop over rounds is written for many runs at
once. Random numbers come from one seeded generator, and all policies of a problem meet the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumen_workers.experiments.bandit.belief import Floats, Prior, raised, wins
from lumen_workers.experiments.bandit.memory import Memory
from lumen_workers.experiments.bandit.policy import sampled

Ints = NDArray[np.int64]

FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Means of the arms of the known problem, standard deviation 1."""
NEAR = (-0.30, -0.28, -0.25)
NEAR_SD = 0.05
"""Three arms as near each other as the values of a rule may be."""
PRIOR = Prior(1.0, 4.0, 0.05)
"""As the shipped file has it."""
DRAWS = 100
"""Draws from the posterior for each run and round; an arm drawn from their shares is one draw from the posterior."""


@dataclass(frozen=True)
class Problem:
    """``means`` [rounds, arms]; rewards are normal around them with standard deviation ``sd``."""

    means: Floats
    sd: float = 1.0

    @classmethod
    def still(cls, rounds: int, means: tuple[float, ...] = FIVE, sd: float = 1.0) -> Problem:
        return cls(np.tile(np.array(means), (rounds, 1)), sd)

    @classmethod
    def switching(cls, rounds: int) -> Problem:
        """The best arm becomes the worst one, and so on, in the middle."""
        found = cls.still(rounds).means.copy()
        found[rounds // 2 :] = found[rounds // 2 :, ::-1]
        return cls(found)


@dataclass(frozen=True)
class Policy:
    """``kind``: uniform, plain (Thompson sampling that knows the noise and has the prior N(0, sd²)), or lumen."""

    kind: str
    discount: float = 0.98
    floor: float = 0.05
    prior: Prior = PRIOR


@dataclass(frozen=True)
class Logs:
    """Runs on the first axis: ``arms`` and ``rewards`` [runs, rounds], ``propensities`` and ``best`` [.., arms].

    ``best`` has the shares of draws from the memory that forgets nothing that each arm won, 0 while the fading one
    foretells better; ``models`` the mean of each arm in that memory, before the round (NaN before the first reward).
    ``regret`` [runs, rounds] is cumulative.
    """

    arms: Ints
    rewards: Floats
    propensities: Floats
    best: Floats
    models: Floats
    regret: Floats


def play(policy: Policy, problem: Problem, runs: int, seed: int, draws: int = DRAWS, stops: bool = False) -> Logs:
    """``runs`` independent runs of ``policy`` on ``problem``; ``best`` is filled in with ``stops`` only."""
    rounds, arms = problem.means.shape
    noise = problem.sd * np.random.default_rng([seed, 1]).standard_normal((runs, rounds))
    generator = np.random.default_rng([seed, 2])
    rows = np.arange(runs)
    memory = Memory.empty(arms, policy.discount, (runs,))
    n, sums = np.zeros((runs, arms)), np.zeros((runs, arms))
    chosen, rewards = np.zeros((runs, rounds), np.int64), np.zeros((runs, rounds))
    propensities, best = np.zeros((runs, rounds, arms)), np.zeros((runs, rounds, arms))
    models, lost = np.full((runs, rounds, arms), np.nan), np.zeros((runs, rounds))
    for at in range(rounds):
        shares = np.full((runs, arms), 1.0 / arms)
        if policy.kind == "lumen" and at > 0:
            belief = memory.belief(policy.prior)
            normals = generator.standard_normal((runs, draws, arms + 1))
            chi2 = [generator.chisquare(df[:, None], (runs, draws)) for df in belief.df.T]
            shares = wins(sampled(memory, policy.prior, normals, chi2)) / draws
            models[:, at] = belief.mu[:, 0] + memory.base[:, None]
            if stops:
                trusted = memory.weights()[:, :1] >= 0.5
                best[:, at] = trusted * wins(belief.part(0).means(normals, chi2[0])) / draws
        chances = raised(shares, policy.floor) if policy.kind == "lumen" else shares
        if policy.kind == "plain":
            spread = 1.0 / (1.0 + n)
            draw = spread * sums + problem.sd * np.sqrt(spread) * generator.standard_normal((runs, arms))
            arm = np.argmax(draw, axis=1)
        else:
            point = generator.random((runs, 1))
            arm = np.minimum(np.sum(point >= np.cumsum(chances, axis=1), axis=1), arms - 1)
        reward = problem.means[at, arm] + noise[:, at]
        n[rows, arm] += 1.0
        sums[rows, arm] += reward
        if policy.kind == "lumen":
            memory = memory.learnt(arm, reward, policy.prior)
        chosen[:, at], rewards[:, at] = arm, reward
        propensities[:, at] = chances
        lost[:, at] = problem.means[at].max() - problem.means[at, arm]
    return Logs(chosen, rewards, propensities, best, models, np.cumsum(lost, axis=1))


POLICIES = {
    "uniform": Policy("uniform"),
    "plain": Policy("plain"),
    "bare": Policy("lumen", discount=1.0, floor=0.0),
    "fading": Policy("lumen", floor=0.0),
    "shipped": Policy("lumen"),
}
"""What is compared: ``shipped`` is ours as the shipped file has it; ``bare`` and ``fading`` take parts of it away."""


def regret(problem: Problem, runs: int, seed: int, points: int = 0) -> dict[str, Any]:
    """For each policy the mean regret at the end with the half-width of its 95 % interval; ``points`` of its course."""
    found: dict[str, dict[str, Any]] = {}
    rounds = len(problem.means)
    at = np.unique(np.linspace(1, rounds, points, dtype=int)) - 1 if points else np.empty(0, int)
    for name, policy in POLICIES.items():
        lost = play(policy, problem, runs, seed).regret
        end = lost[:, -1]
        found[name] = {
            "mean": round(float(end.mean()), 2),
            "half": round(float(1.96 * end.std() / np.sqrt(runs)), 2),
            "p95": round(float(np.quantile(end, 0.95)), 1),
        }
        if points:
            found[name]["course"] = [[int(place) + 1, round(float(lost[:, place].mean()), 2)] for place in at]
    return found


def stopping(problem: Problem, runs: int, seed: int, probability: float = 0.99, hold: int = 3) -> dict[str, Any]:
    """How often the shipped policy finds an arm clear, how soon, and how often it is one of the best."""
    logs = play(POLICIES["shipped"], problem, runs, seed, draws=400, stops=True)
    first = np.argmax(logs.best, axis=2)
    clear = np.max(logs.best, axis=2) >= probability
    held = np.ones_like(clear[:, hold - 1 :])
    for back in range(hold):
        window = slice(hold - 1 - back, clear.shape[1] - back)
        held &= clear[:, window] & (first[:, window] == first[:, hold - 1 :])
    stops = held.any(axis=1)
    at = np.argmax(held, axis=1) + hold - 1
    arm = first[np.arange(runs), at]
    means = problem.means[0]
    right = means[arm] == means.max()
    return {
        "runs": runs,
        "stopped": round(float(stops.mean()), 4),
        "right": round(float(right[stops].mean()), 4) if stops.any() else None,
        "median_rounds": int(np.median(at[stops])) if stops.any() else None,
    }
