"""Intervals: their rules on single events, statsmodels beside them, and a small form of the coverage proof."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from support.history import LEVEL, samples, stepped
from support.proofs.coverage import BEYOND, CORE, FURTHER, SD, Cell, ar1, naive, ours, simulated

from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.intervals import Interval, difference, differences
from lumen_workers.effects.windows import around

EVENTS = 250
"""Four signals each: a covered share scatters by 0.7 percentage points."""


def pair(phi: float = 0.6, seed: int = 1, **cell: object) -> tuple[Block, Block]:
    return simulated(ar1(phi, **cell), 1, seed)[0][0]


def known(found: dict[str, Interval | None]) -> list[Interval]:
    assert tuple(found) == SIGNALS
    out = [one for one in found.values() if one is not None]
    assert len(out) == len(SIGNALS)
    return out


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: f"{cell.name}, effect {cell.effect:g}")
def test_intervals_hold_the_truth_as_often_as_they_say(cell: Cell) -> None:
    pairs, effects = simulated(cell, EVENTS, 20260131)
    tally = ours(pairs, effects)

    assert 0.93 <= tally.covered <= 0.97
    if cell.ar[0] == 0.0:
        assert tally.width <= 1.1 * 2 * stdtrit(298, 0.975) * SD * np.sqrt(2 / 150)
    else:
        assert naive(pairs, effects).covered < 0.75


@pytest.mark.parametrize("cell", FURTHER, ids=lambda cell: cell.name)
def test_intervals_hold_on_what_else_loops_do(cell: Cell) -> None:
    assert ours(*simulated(cell, EVENTS, 7)).covered >= 0.92


@pytest.mark.parametrize("cell", BEYOND, ids=lambda cell: cell.name)
def test_where_the_pages_say_that_they_do_not_hold(cell: Cell) -> None:
    assert 0.78 <= ours(*simulated(cell, EVENTS, 7)).covered < 0.93


def test_the_power_at_the_minimum_detectable_effect_is_80_percent() -> None:
    quiet, _ = simulated(ar1(0.6), EVENTS, 3)
    mde = float(np.median([one.mde for event in differences(quiet, 5) for one in known(event)]))

    assert 0.75 <= ours(*simulated(ar1(0.6, effect=mde), EVENTS, 4)).found <= 0.86


def test_the_exact_likelihood_of_statsmodels_says_the_same() -> None:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    pre, post = pair(0.8, seed=11, samples=2_000, effect=0.01)
    gap = np.full(int(post.ts[0] - pre.ts[-1]) // 200_000 - 1, np.nan)
    step = np.r_[np.zeros(len(pre) + len(gap)), np.ones(len(post))]
    for column, ours_ in enumerate(known(difference(pre, post, 5))):
        series = np.r_[pre.values[:, column], gap, post.values[:, column]]
        exog = np.stack([np.ones_like(step), step], axis=1)
        fit = SARIMAX(series * 100, exog=exog, order=(1, 0, 0)).fit(disp=False)
        assert ours_.phi == pytest.approx(fit.params[2], abs=0.04)
        assert ours_.se == pytest.approx(fit.bse[1] / 100, rel=0.15)
        assert ours_.delta == pytest.approx(fit.params[1] / 100, abs=ours_.se / 3)


@given(seed=st.integers(0, 2**32), phi=st.floats(0, 0.99), effect=st.floats(-0.3, 0.3), level=st.floats(0.5, 0.999))
@settings(max_examples=30, deadline=None)
def test_an_interval_agrees_with_itself(seed: int, phi: float, effect: float, level: float) -> None:
    pre, post = pair(phi, seed, effect=effect)
    deltas = post.values.mean(axis=0) - pre.values.mean(axis=0)
    for one, delta in zip(known(difference(pre, post, 5, level)), deltas.tolist(), strict=True):
        assert np.isfinite(astuple(one)).all()
        assert one.delta == delta
        assert one.lo < one.delta < one.hi
        assert one.level == level
        assert (one.p < 1 - level) == (one.lo > 0 or one.hi < 0)
        assert 0 <= one.p <= 1
        assert -0.9 < one.phi < 1
        assert 1 < one.n_eff <= len(pre) + len(post)
        assert one.mde > one.hi - one.delta > 0


def test_scale_and_level_of_a_signal_do_not_matter() -> None:
    pre, post = pair(0.9)
    plain = known(difference(pre, post, 5))
    for one, other in zip(
        plain,
        known(difference(Block(pre.ts, pre.values / 2 + 0.3), Block(post.ts, post.values / 2 + 0.3), 5)),
        strict=True,
    ):
        assert (other.lo, other.hi, other.se, other.mde) == pytest.approx(
            (one.lo / 2, one.hi / 2, one.se / 2, one.mde / 2), rel=1e-6
        )
        assert (other.phi, other.n_eff, other.p) == pytest.approx((one.phi, one.n_eff, one.p), rel=1e-6)


def test_an_event_does_not_depend_on_the_events_beside_it() -> None:
    pairs = [
        pair(phi, seed, missing=missing) for seed, (phi, missing) in enumerate([(0.0, 0.0), (0.9, 0.2), (0.98, 0.5)])
    ]
    pairs.append((samples(0, 3), samples(5, 8)))
    pairs.append(pair(0.6, samples=400))

    assert differences(pairs, 5) == [difference(pre, post, 5) for pre, post in pairs]
    assert differences([], 5) == []


def test_a_constant_signal_has_no_interval_and_does_not_touch_the_others() -> None:
    pre, post = pair(0.9)
    still = pre.values.copy(), post.values.copy()
    for values, level in zip(still, (0.25, 0.31), strict=True):
        values[:, 1] = level
    found = difference(Block(pre.ts, still[0]), Block(post.ts, still[1]), 5)

    expected = difference(pre, post, 5)
    assert found == {**expected, "entropy_rate": None}


def test_rounding_that_hides_the_noise_leaves_no_interval() -> None:
    block = stepped(60, 40, {"risk_band": 0.05})
    windows = around(int(block.ts[0]) + 40 * US, EffectOptions())
    one_off = block.values.copy()
    one_off[::40] += 0.001
    fine = block.values + np.random.default_rng(1).normal(0, 0.0002, block.values.shape).round(6)

    assert difference(*windows.split(block), 5) == dict.fromkeys(SIGNALS)
    assert difference(*windows.split(Block(block.ts, one_off)), 5) == dict.fromkeys(SIGNALS)
    small = known(difference(*windows.split(Block(block.ts, fine)), 5))
    assert all(one.hi - one.lo < 0.0003 for one in small)


@pytest.mark.parametrize(("before", "after"), [(0, 50), (50, 0), (3, 50), (50, 3)])
def test_too_few_samples_have_no_interval(before: int, after: int) -> None:
    pre, post = pair(0.6)

    short = Block(pre.ts[:before], pre.values[:before]), Block(post.ts[:after], post.values[:after])
    assert difference(*short, 5) == dict.fromkeys(SIGNALS)


def test_few_blocks_have_no_interval() -> None:
    pre, post = pair(0.6)
    # Four samples close together and one far away: two blocks a side.
    chosen = [0, 1, 2, 3, -1]

    assert difference(Block(pre.ts[chosen], pre.values[chosen]), Block(post.ts[chosen], post.values[chosen]), 5) == (
        dict.fromkeys(SIGNALS)
    )


def test_samples_off_the_grid_are_taken_as_their_tick() -> None:
    pre, post = pair(0.9)
    late = np.random.default_rng(2).integers(0, 60_000, len(pre))

    assert known(difference(Block(pre.ts + late, pre.values), post, 5)) == known(difference(pre, post, 5))


def test_a_saturated_signal_is_not_a_number_nowhere() -> None:
    ts = samples(0, 70).ts
    values = np.tile([LEVEL[name] for name in SIGNALS], (len(ts), 1))
    values[:, 0] = np.linspace(0, 1, len(ts))
    values[:, 1] = np.where(np.arange(len(ts)) % 2, 0.2, 0.3)
    values[:, 2] = np.clip(np.sin(np.arange(len(ts)) / 9), 0, 1)
    values[100, 3] = 1.0
    block = Block(ts, values)

    for one in known(difference(block.slice(ts[0], ts[150]), block.slice(ts[160], ts[310]), 5)):
        assert np.isfinite(astuple(one)).all()
        assert one.lo < one.hi


@pytest.mark.parametrize(("rate_hz", "level"), [(3, 0.95), (0, 0.95), (5, 0.0), (5, 1.0), (5, float("nan"))])
def test_what_cannot_be_is_refused(rate_hz: int, level: float) -> None:
    with pytest.raises(UsageError, match=r"rate|level"):
        difference(*pair(), rate_hz, level)
