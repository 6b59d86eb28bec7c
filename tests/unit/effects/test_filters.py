"""Filters against their formulas, written out plainly."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.effects.filters import Floats, ema, iqr_mask, mad_mask, weighted_moving_average

series = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=80)


@given(values=series, k=st.floats(0, 4))
def test_iqr_mask_is_tukeys_fences_with_linear_quantiles(values: list[float], k: float) -> None:
    ordered = sorted(values)

    def quantile(q: float) -> float:
        place = q * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    q1, q3 = quantile(0.25), quantile(0.75)
    low, high = q1 - k * (q3 - q1), q3 + k * (q3 - q1)
    mask = iqr_mask(np.array(values), k)

    for value, kept in zip(values, mask.tolist(), strict=True):
        if min(abs(value - low), abs(value - high)) > 1e-12:
            assert kept == (low <= value <= high)


@given(values=series, k=st.floats(0, 4))
def test_mad_mask_is_scaled_median_absolute_deviation(values: list[float], k: float) -> None:
    middle = statistics.median(values)
    reach = k * 1.482602218505602 * statistics.median(abs(value - middle) for value in values)
    mask = mad_mask(np.array(values), k)

    for value, kept in zip(values, mask.tolist(), strict=True):
        if abs(abs(value - middle) - reach) > 1e-12:
            assert kept == (abs(value - middle) <= reach)


@given(values=series, width=st.integers(1, 12))
def test_weighted_moving_average_weighs_the_newest_most(values: list[float], width: int) -> None:
    expected = []
    for t in range(len(values)):
        lags = range(min(width, t + 1))
        expected.append(sum((width - j) * values[t - j] for j in lags) / sum(width - j for j in lags))

    np.testing.assert_allclose(weighted_moving_average(np.array(values), width), expected, atol=1e-12)


@given(values=series, alpha=st.floats(0.01, 1.0))
def test_ema_follows_its_recursion(values: list[float], alpha: float) -> None:
    expected = [values[0]]
    for value in values[1:]:
        expected.append(alpha * value + (1 - alpha) * expected[-1])

    np.testing.assert_allclose(ema(np.array(values), alpha), expected, atol=1e-12)


def test_ema_stays_true_over_a_long_series() -> None:
    values = np.random.default_rng(1).random(20_000)
    expected = values[0]
    for value in values[1:]:
        expected = 0.001 * value + 0.999 * expected

    assert ema(values, 0.001)[-1] == pytest.approx(expected, abs=1e-12)


def test_ema_leaves_its_input_alone() -> None:
    values = np.array([0.1, 0.9, 0.4])

    ema(values, 0.2)

    assert values.tolist() == [0.1, 0.9, 0.4]


@pytest.mark.parametrize(
    "function",
    [iqr_mask, mad_mask, ema, lambda values: weighted_moving_average(values, 3)],
    ids=["iqr", "mad", "ema", "weighted"],
)
def test_columns_are_worked_on_one_by_one(function: Callable[[Floats], Floats]) -> None:
    table = np.random.default_rng(2).random((50, 4))

    whole = function(table)

    for column in range(4):
        assert whole[:, column].tolist() == function(table[:, column]).tolist()
    assert function(table[:0]).shape == (0, 4)


def test_one_outlier_is_masked() -> None:
    values = np.array([0.2, 0.21, 0.19, 0.2, 0.22, 0.95])

    assert iqr_mask(values).tolist() == [True] * 5 + [False]
    assert mad_mask(values).tolist() == [True] * 5 + [False]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: iqr_mask(x, -0.1),
        lambda x: iqr_mask(x, float("nan")),
        lambda x: mad_mask(x, -1),
        lambda x: ema(x, 0),
        lambda x: ema(x, 1.01),
        lambda x: ema(x, float("nan")),
        lambda x: weighted_moving_average(x, 0),
    ],
)
def test_parameters_out_of_range_are_refused(call: Callable[[Floats], object]) -> None:
    with pytest.raises(ValueError, match=r"not below 0|above 0|at least 1"):
        call(np.array([0.1, 0.2]))
