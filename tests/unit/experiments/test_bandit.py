"""The bandit's posterior, choices, rewards and end, against values worked out in another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from support.proofs.bandit_values import quantile

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import RuleSpec
from lumen_workers.domain.signals import Reading
from lumen_workers.experiments.bandit.belief import Floats, raised
from lumen_workers.experiments.bandit.chance import DRAWS, of_round, seed_of
from lumen_workers.experiments.bandit.options import BanditOptions, Finished, Played, Weights, check_arms
from lumen_workers.experiments.bandit.policy import choose, finished, posterior, prior_of, remember
from lumen_workers.experiments.bandit.reward import worth

ARMS = (0.34, 0.32, 0.30)
OPTIONS = BanditOptions(rule="risk_max", arms=ARMS, seed=7)
EVEN = (1 / 3, 1 / 3, 1 / 3)


def rounds(*played: tuple[float, float | None], first: int = 1) -> list[Played]:
    return [
        Played(round=first + at, arm=arm, propensities=EVEN, reward=reward) for at, (arm, reward) in enumerate(played)
    ]


HISTORY = rounds((0.34, -0.30), (0.32, -0.24), (0.30, -0.19), (0.34, -0.33), (0.30, None), (0.30, -0.22))


def direct(history: list[Played], options: BanditOptions, discount: float) -> tuple[Floats, Floats, float]:
    """Mean, scale matrix, and degrees of freedom, by matrices: the level is integrated out by a wide prior."""
    known = [(one.round, options.arms.index(one.arm), one.reward) for one in history if one.reward is not None]
    last = history[-1].round
    weights = np.array([discount ** (last - number) for number, _, _ in known])
    y = np.array([reward for _, _, reward in known])
    x = np.zeros((len(y), len(options.arms) + 1))
    x[:, 0] = 1.0
    x[np.arange(len(y)), [arm + 1 for _, arm, _ in known]] = 1.0
    tau = options.sigma0 / options.noise_sigma
    # Coefficients: the level with precision 0, then each arm's difference from it.
    precision = x.T @ (weights[:, None] * x) + np.diag([0.0, *([tau**-2] * len(options.arms))])
    inverse = np.linalg.inv(precision)
    coefficients = inverse @ (x.T @ (weights * y))
    df = options.noise_df + weights.sum() - 1.0
    squares = (weights * y**2).sum() - coefficients @ precision @ coefficients
    scale2 = (options.noise_df * options.noise_sigma**2 + squares) / df
    arms = np.hstack([np.ones((len(options.arms), 1)), np.eye(len(options.arms))])
    return arms @ coefficients, scale2 * arms @ inverse @ arms.T, df


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_posterior_is_that_of_the_matrix_formula(discount: float) -> None:
    options = replace(OPTIONS, discount=discount)
    memory = remember(HISTORY, options, 7)
    place = len(memory.discounts) - 1
    mean, scale, df = direct(HISTORY, options, discount)
    belief = memory.belief(prior_of(options)).part(place)
    assert belief.mu + memory.base == pytest.approx(mean, abs=1e-12)
    assert float(belief.df) == pytest.approx(df)
    ours = belief.scale**2 * (np.diag(belief.own) + np.outer(belief.own, belief.own) / belief.common)
    assert ours == pytest.approx(scale, rel=1e-9)
    if discount == 1.0:
        found = posterior(HISTORY, options)
        assert [one.mu for one in found] == pytest.approx(mean, abs=1e-9)
        assert [one.sigma for one in found] == pytest.approx(np.sqrt(np.diag(scale) * df / (df - 2)), rel=1e-9)
        half = quantile(df) * np.sqrt(np.diag(scale))
        assert [one.low for one in found] == pytest.approx(mean - half, abs=1e-9)
        assert [one.high for one in found] == pytest.approx(mean + half, abs=1e-9)


def test_two_rewards_by_hand() -> None:
    # τ = 1, one reward an arm: A = 1/2 for both, level midway, each mean a quarter of the way from its reward.
    options = replace(OPTIONS, arms=(0.34, 0.32), discount=1.0)
    first, second = posterior(rounds((0.34, -0.4), (0.32, -0.2)), options)
    assert first.mu == pytest.approx(-0.35)
    assert second.mu == pytest.approx(-0.25)
    # ν·s² = 4 · 0.05² + (0.2)²/4 and Var = s²·ν/(ν−2) · (A + A²/G), G = 1.
    assert first.sigma == pytest.approx(((0.01 + 0.01) / 5 * 5 / 3 * 0.75) ** 0.5)


def test_the_say_of_the_memories_is_their_bayes_factor() -> None:
    # Two rewards, τ = 1: the first only sets the base; before the second both memories hold the same, so both say 1/2.
    # Before the third the fading one holds weights (0.5, 1): evidence of one density each.
    options = replace(OPTIONS, arms=(0.34, 0.32), discount=0.5)
    history = rounds((0.34, 0.0), (0.32, 0.1), (0.34, 0.02))
    assert remember(history[:2], options, 3).weights() == pytest.approx([0.5, 0.5])
    logs: list[float] = []
    for discount in (1.0, 0.5):
        mean, scale, df = direct(history[:2], options, discount)
        memory = remember(history[:2], options, 3)
        s2 = float(memory.belief(prior_of(options)).scale[len(logs)] ** 2)
        logs.append(float(student.logpdf(0.02, df, mean[0], np.sqrt(scale[0, 0] + s2))))
    say = remember(history, options, 4).weights()
    assert np.log(say[1] / say[0]) == pytest.approx(logs[1] - logs[0], rel=1e-9)


def test_nothing_depends_on_the_level() -> None:
    moved = [replace(one, reward=None if one.reward is None else one.reward - 1000.0) for one in HISTORY]
    here, there = choose(HISTORY, OPTIONS, 7), choose(moved, OPTIONS, 7)
    assert here.draws == there.draws
    assert here.propensities == there.propensities
    for one, other in zip(posterior(HISTORY, OPTIONS), posterior(moved, OPTIONS), strict=True):
        assert one.mu is not None
        assert other.mu == pytest.approx(one.mu - 1000.0, abs=1e-9)
        assert other.sigma == pytest.approx(one.sigma, rel=1e-6)


def test_a_missing_reward_teaches_nothing_but_the_round_has_passed() -> None:
    options = replace(OPTIONS, discount=1.0)
    known = [one for one in HISTORY if one.reward is not None]
    pairs = list(zip(posterior(HISTORY, options), posterior(known, options), strict=True))
    assert [(a.mu, a.sigma, a.rewards) for a, _ in pairs] == [(b.mu, b.sigma, b.rewards) for _, b in pairs]
    assert [a.plays for a, _ in pairs] == [2, 1, 3]
    zero = [replace(one, reward=0.0) if one.reward is None else one for one in HISTORY]
    assert posterior(zero, options)[2].mu != pairs[2][0].mu


def test_a_fading_memory_counts_rounds_not_plays() -> None:
    gap = [*HISTORY[:2], *[replace(one, round=one.round + 10) for one in HISTORY[2:]]]
    memory = remember(gap, OPTIONS, 17)
    assert memory.n[1, 1] == pytest.approx(0.98**14)
    assert memory.n[0, 1] == 1.0


def test_before_the_first_reward_every_arm_is_as_likely() -> None:
    choice = choose([], OPTIONS, 1)
    assert choice.propensities == pytest.approx(EVEN, abs=1e-3)
    assert sum(choice.draws) == DRAWS
    assert choose(rounds((0.34, None)), OPTIONS, 2).propensities == choice.propensities
    assert [(one.mu, one.sigma, one.loss) for one in posterior([], OPTIONS)] == [(0.0, None, None)] * 3


def test_a_choice_is_the_same_anywhere_and_another_in_another_round() -> None:
    choice = choose(HISTORY, OPTIONS, 7)
    assert choose(list(HISTORY), replace(OPTIONS), 7) == choice
    # A worker anywhere computes these very numbers.
    assert choice.arm == 0.32
    assert choice.point == pytest.approx(0.1547458500383171, abs=1e-15)
    assert choice.draws == pytest.approx((90, 1090, 2916), abs=2)
    assert {choose(HISTORY, OPTIONS, at).point for at in range(7, 12)} != {choice.point}
    assert choose(HISTORY, replace(OPTIONS, seed=8), 7).point != choice.point


def test_the_arm_is_drawn_from_what_is_logged() -> None:
    options = replace(OPTIONS, floor=0.1)
    counts = dict.fromkeys(ARMS, 0)
    expected = np.zeros(3)
    for seed in range(300):
        choice = choose(HISTORY, replace(options, seed=seed), 7)
        counts[choice.arm] += 1
        expected += choice.propensities
        assert min(choice.propensities) >= 0.1 - 1e-12
        assert sum(choice.propensities) == pytest.approx(1.0)
    off = (np.array(list(counts.values())) - expected) / np.sqrt(expected)
    assert np.abs(off).max() < 3.0


def test_propensities_are_the_probabilities_of_being_best() -> None:
    # Two arms, one memory: P(first is best) is Student's t of the standardised difference.
    options = replace(OPTIONS, arms=(0.34, 0.32), discount=1.0, floor=0.0)
    history = rounds((0.34, -0.30), (0.32, -0.27), (0.34, -0.33), (0.32, -0.31))
    mean, scale, df = direct(history, options, 1.0)
    wide = np.sqrt(scale[0, 0] + scale[1, 1] - 2 * scale[0, 1])
    truth = float(student.cdf((mean[0] - mean[1]) / wide, df))
    assert choose(history, options, 5).propensities[0] == pytest.approx(truth, abs=0.02)


@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8).filter(lambda shares: sum(shares) > 0.01),
    st.floats(0.0, 1.0),
)
def test_no_share_is_left_below_the_floor(parts: list[float], fraction: float) -> None:
    shares = np.array(parts) / sum(parts)
    floor = fraction / len(parts)
    out = raised(shares, floor)
    assert out.sum() == pytest.approx(1.0)
    assert out.min() >= floor - 1e-9
    above = out > floor + 1e-9
    # Those above keep their proportions, and nobody below the floor was above it.
    if above.sum() > 1:
        ratio = out[above] / shares[above]
        assert ratio == pytest.approx(ratio[0])
    assert np.all(shares[above] >= floor - 1e-9)


def test_chance_is_uniform_and_normal_and_its_rounds_do_not_meet() -> None:
    one, other = of_round(7, 1, 3), of_round(7, 2, 3)
    assert one.normals.shape == (DRAWS, 4)
    assert abs(one.normals.mean()) < 0.03
    assert one.normals.std() == pytest.approx(1.0, abs=0.02)
    assert one.uniforms.mean() == pytest.approx(0.5, abs=0.02)
    assert not np.isin(one.uniforms, other.uniforms).any()
    assert seed_of("ex-1") == 6_701_687_308_209_171_523
    assert seed_of("ex-2") != seed_of("ex-1")


def test_it_ends_with_its_rounds_or_when_one_arm_is_clear() -> None:
    assert finished([], OPTIONS) is None
    assert finished(HISTORY[:5], OPTIONS) is None
    assert finished(HISTORY, OPTIONS) is Finished.ROUNDS
    clear = rounds(*[(arm, value) for _ in range(8) for arm, value in zip(ARMS, (-0.5, -0.3, 0.2), strict=True)])
    wide = replace(OPTIONS, rounds=100)
    assert finished(clear, wide) is Finished.CLEAR
    assert finished(clear, replace(wide, stop_probability=None)) is None
    assert finished(clear, replace(wide, stop_probability=None, stop_loss=0.01)) is Finished.CLOSE
    # It must hold for three rounds: the first ones say too little.
    assert finished(clear[:3], wide) is None


def test_no_arm_is_clear_while_the_loop_drifts() -> None:
    before = [(arm, value) for _ in range(12) for arm, value in zip(ARMS, (-0.5, -0.3, 0.2), strict=True)]
    after = [(arm, value) for _ in range(1) for arm, value in zip(ARMS, (0.2, -0.3, -0.5), strict=True)]
    options = replace(OPTIONS, rounds=1000, discount=0.8)
    assert finished(rounds(*before), options) is Finished.CLEAR
    assert finished(rounds(*before, *after, *after), options) is None


def test_wrong_histories_are_refused() -> None:
    with pytest.raises(UsageError, match=r"0.31 is no arm of this bandit; it has 0.34, 0.32, 0.3"):
        choose(rounds((0.31, 0.0)), OPTIONS, 2)
    with pytest.raises(UsageError, match="1 stands behind 2"):
        choose(HISTORY[1::-1], OPTIONS, 7)
    with pytest.raises(UsageError, match="round 6 is over already; the next one is 7"):
        choose(HISTORY, OPTIONS, 6)


def test_reward_is_the_weighted_mean() -> None:
    usual = Weights()
    assert worth(Reading(0.2, 0.5, 0.3, 0.1), usual) == pytest.approx(-0.5 * 0.2 - 0.3 * 0.1 + 0.2 * 0.3)
    assert worth(Reading(0.2, 0.9, 0.3, 0.1), Weights(phase_diff=1, risk_band=0, creative_band=0)) == -0.2


def test_arms_are_checked_against_the_rule() -> None:
    spec = RuleSpec(name="risk_max", initial=0.35, min=0.31, max=0.4)
    with pytest.raises(UsageError, match=r"^arms: 0.3 outside the bounds of risk_max, 0.31 to 0.4; change the arms$"):
        check_arms(OPTIONS, spec)
    check_arms(OPTIONS, replace(spec, min=0.3))
    with pytest.raises(UsageError, match="about risk_max, not about creative_min"):
        check_arms(OPTIONS, replace(spec, name="creative_min"))
