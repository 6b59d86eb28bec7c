"""Whether the value of an arm, told from a log, is the true one: our estimator beside the usual ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit
from support.proofs.bandit import POLICIES, Logs, Problem, play

from lumen_workers.experiments.bandit.belief import Floats
from lumen_workers.experiments.bandit.offpolicy import PLAYS, Estimates, estimate


def values(problem: Problem, runs: int, seed: int) -> dict[str, dict[str, Any]]:
    """For each method: coverage of 95 % over all arms and of the worst arm, bias and root mean square error.

    Runs of the shipped policy on a ``problem`` that stays; of each arm those in which its interval exists (``told``).
    """
    logs = play(POLICIES["shipped"], problem, runs, seed)
    truth = problem.means[0]
    found: dict[str, dict[str, Any]] = {}
    methods = [_methods(logs, arm) for arm in range(len(truth))]
    for name in methods[0]:
        inside, off, told = [], [], []
        for arm, method in enumerate(methods):
            one = method[name]
            exists = method["lumen"].plays >= PLAYS
            error = (one.value - truth[arm])[exists]
            inside.append(np.abs(error) <= one.half()[exists])
            off.append(error)
            told.append(float(exists.mean()))
        every = np.concatenate(off)
        found[name] = {
            "coverage": round(float(np.concatenate(inside).mean()), 4),
            "worst": round(min(float(one.mean()) for one in inside), 4),
            "bias": round(float(every.mean()) / problem.sd, 4),
            "rmse": round(float(np.sqrt(np.mean(every**2))) / problem.sd, 4),
            "told": round(float(np.mean(told)), 4),
        }
    return found


def _methods(logs: Logs, arm: int) -> dict[str, Estimates]:
    """The estimators of one arm, all on the rounds behind the first one."""
    played, rewards = logs.arms[:, 1:] == arm, logs.rewards[:, 1:]
    chances, models = logs.propensities[:, 1:, arm], logs.models[:, 1:, arm]
    plays = np.count_nonzero(played, axis=1)
    df = np.maximum(plays - 1.0, 1.0)
    inverse = np.where(played, 1.0 / chances, 0.0)
    scores = models + inverse * (rewards - models)
    flat = np.ones_like(rewards)
    return {
        "mean": _weighted(played.astype(float), rewards, df, plays),
        "ips": _weighted(flat, inverse * rewards, df, plays),
        "snips": _weighted(inverse, rewards, df, plays),
        "dr": _weighted(flat, scores, df, plays),
        "lumen": estimate(played, rewards, chances, models),
    }


def _weighted(weights: Floats, scores: Floats, df: Floats, plays: Any) -> Estimates:
    total = np.maximum(np.sum(weights, axis=1), 1e-12)
    value = np.sum(weights * scores, axis=1) / total
    spread = np.sum(weights**2 * (scores - value[:, None]) ** 2, axis=1)
    return Estimates(value, np.sqrt(spread * (df + 1.0) / df) / total, df, plays)


def quantile(df: float) -> float:
    """Student's 97.5 % point, for tests that compute an interval by hand."""
    return float(stdtrit(df, 0.975))
