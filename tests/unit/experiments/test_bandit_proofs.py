"""What docs/statistics.md claims of the bandit, in a small form: bounds that a broken policy or estimator misses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.proofs.bandit import NEAR, NEAR_SD, POLICIES, Problem, play, regret, stopping
from support.proofs.bandit_values import quantile, values

from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.bandit.belief import Prior
from lumen_workers.experiments.bandit.offpolicy import Verdict, value_of_arm
from lumen_workers.experiments.bandit.options import BanditOptions, Played

SEED = 11


def test_on_a_still_loop_it_loses_hardly_more_than_plain_sampling_that_knows_the_noise() -> None:
    found = regret(Problem.still(100), 300, SEED)
    assert found["uniform"]["mean"] == pytest.approx(50.0, abs=1.5)
    assert found["bare"]["mean"] < 1.12 * found["plain"]["mean"]
    assert found["plain"]["mean"] < found["fading"]["mean"] < found["shipped"]["mean"] < 30.5


def test_when_the_best_arm_changes_the_fading_memory_pays() -> None:
    found = regret(Problem.switching(300), 150, SEED)
    assert found["shipped"]["mean"] < 0.85 * found["plain"]["mean"]
    assert found["fading"]["mean"] < 0.8 * found["bare"]["mean"]


def test_the_floor_holds_in_every_round() -> None:
    logs = play(POLICIES["shipped"], Problem.still(60), 50, SEED)
    assert logs.propensities.min() >= 0.05 - 1e-12
    assert np.allclose(logs.propensities.sum(axis=2), 1.0)


def test_a_prior_far_off_the_noise_is_outgrown() -> None:
    ours = replace(POLICIES["bare"], prior=Prior(1.0, 4.0, 0.001))
    off = play(ours, Problem.still(100), 200, SEED).regret[:, -1].mean()
    assert off < 27.0


def test_an_arm_that_is_called_clear_is_the_best_one() -> None:
    near = stopping(Problem.still(200, NEAR, NEAR_SD), 100, SEED)
    assert near["stopped"] > 0.5
    assert near["right"] > 0.97
    assert stopping(Problem.still(100, (0.0, 0.0, 0.0)), 100, SEED)["stopped"] < 0.05


def test_intervals_of_an_arms_value_hold_it() -> None:
    found = values(Problem.still(60), 300, SEED)
    assert 0.935 < found["lumen"]["coverage"] < 0.995
    assert found["lumen"]["worst"] > 0.92
    assert abs(found["lumen"]["bias"]) < 0.06 < -found["mean"]["bias"]
    assert found["lumen"]["rmse"] < found["dr"]["rmse"] < found["ips"]["rmse"] * 1.1


OPTIONS = BanditOptions(rule="risk_max", arms=(0.34, 0.30), seed=1, discount=0.5)


def log(*rows: tuple[float, float | None, float]) -> list[Played]:
    return [
        Played(round=at + 1, arm=arm, propensities=(chance, 1 - chance), reward=reward)
        for at, (arm, reward, chance) in enumerate(rows)
    ]


def test_value_of_an_arm_by_hand() -> None:
    # τ = 1: before round 2 both means are at the only reward, 0.2. Then n = (2, 0) and the level is the first arm's.
    found = value_of_arm(log((0.34, 0.2, 0.5), (0.34, 0.4, 0.64), (0.34, 0.6, 0.36)), 0.34, OPTIONS)
    scores = np.array([0.2 + 0.2 / 0.64, 0.3 + 0.3 / 0.36])
    weights = np.array([0.8, 0.6])
    value = (weights * scores).sum() / weights.sum()
    error = np.sqrt(2 * (weights**2 * (scores - value) ** 2).sum()) / weights.sum()
    assert (found.plays, found.rounds) == (2, 2)
    assert found.estimate == pytest.approx(value)
    assert found.low == pytest.approx(value - quantile(1) * error)
    assert found.high == pytest.approx(value + quantile(1) * error)
    assert found.verdict is Verdict.ESTIMATED


def test_what_a_log_cannot_tell_has_no_number() -> None:
    history = log((0.34, 0.2, 0.5), (0.34, 0.4, 0.64), (0.30, None, 0.5), (0.30, 0.1, 0.36), (0.34, 0.3, 0.5))
    other = value_of_arm(history, 0.30, OPTIONS)
    assert (other.verdict, other.estimate, other.low, other.high) == (Verdict.INSUFFICIENT, None, None, None)
    assert (other.plays, other.rounds) == (1, 3)
    assert value_of_arm([], 0.30, OPTIONS).verdict is Verdict.INSUFFICIENT
    # A missing reward is not a reward of 0.
    assert value_of_arm(history, 0.34, OPTIONS) == value_of_arm([history[i] for i in (0, 1, 3, 4)], 0.34, OPTIONS)


def test_a_value_moves_with_the_level() -> None:
    history = log((0.34, 0.2, 0.5), (0.34, 0.4, 0.64), (0.30, 0.1, 0.36), (0.34, 0.3, 0.5))
    lower = [replace(one, reward=(one.reward or 0.0) - 5.0) for one in history]
    here, there = value_of_arm(history, 0.34, OPTIONS), value_of_arm(lower, 0.34, OPTIONS)
    assert here.estimate is not None
    assert there.estimate == pytest.approx(here.estimate - 5.0)


def test_a_log_without_the_probability_of_what_was_played_is_refused() -> None:
    with pytest.raises(UsageError, match="round 1: needs the probability of each arm"):
        value_of_arm(log((0.34, 0.2, 0.0)), 0.34, OPTIONS)
    with pytest.raises(UsageError, match="is no arm"):
        value_of_arm(log((0.34, 0.2, 0.5)), 0.33, OPTIONS)
