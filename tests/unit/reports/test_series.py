"""Bins and axes against their plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.signals import Block
from lumen_workers.reports.series import MAX_BINS, Axis, Binner, axis_for

HOUR = 3_600_000_000
DAY = 24 * HOUR


def block(ts: list[int], seed: int = 1) -> Block:
    return Block(np.array(ts, np.int64), np.random.default_rng(seed).random((len(ts), 4)))


@given(
    st.sets(st.integers(0, 99_999), max_size=60).map(sorted),
    st.lists(st.integers(0, 60), max_size=4).map(sorted),
)
def test_bins_are_the_extremes_of_what_falls_into_them(offsets: list[int], cuts: list[int]) -> None:
    axis = Axis(7 * DAY, 7 * DAY + 100_000 * 100, 1_000_000)
    whole = block([axis.start_us + offset * 100 for offset in offsets])
    binner = Binner(axis, 50)

    for low, high in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        binner.add(Block(whole.ts[low:high], whole.values[low:high]))
    series = binner.series()

    bins = len(series.count)
    assert int(series.count.sum()) == len(whole)
    for number in range(bins):
        inside = [i for i, ts in enumerate(whole.ts.tolist()) if (ts - axis.start_us) * bins // 10_000_000 == number]
        assert series.count[number] == len(inside)
        if inside:
            assert series.low[number].tolist() == whole.values[inside].min(axis=0).tolist()
            assert series.high[number].tolist() == whole.values[inside].max(axis=0).tolist()


def test_memory_is_bounded_by_the_number_of_bins() -> None:
    assert len(Binner(Axis(0, 25 * HOUR, HOUR), 50).series().count) == MAX_BINS


def test_a_late_tick_does_not_break_the_line_and_missing_data_does() -> None:
    ticks = [n * 200_000 for n in range(300)]
    axis = Axis(0, 60_000_000, 10_000_000)
    late, gap = Binner(axis, 5), Binner(axis, 5)
    late.add(block([t + 150_000 if t == 30_000_000 else t for t in ticks]))
    gap.add(block([t for t in ticks if not 20_000_000 <= t < 25_000_000]))

    assert len(list(late.series().runs())) == 1
    before, after = gap.series().runs()
    assert (before[-1] + 1) * 60_000_000 // len(gap.series().count) <= 20_000_000
    assert after[0] * 60_000_000 // len(gap.series().count) >= 24_600_000


def test_no_samples_make_no_runs() -> None:
    assert list(Binner(Axis(0, HOUR, HOUR), 5).series().runs()) == []


@given(st.integers(0, DAY - 1), st.integers(0, DAY - 1), st.sampled_from([23, 24, 25]))
def test_an_axis_shows_all_within_the_period_with_few_marks(one: int, other: int, hours: int) -> None:
    period = hours * HOUR
    first, last = min(one, other) % period, max(one, other) % period
    first, last = min(first, last), max(first, last)

    axis = axis_for(first, last, 0, period)

    assert 0 <= axis.start_us <= first
    assert last < axis.end_us <= period
    assert 1 <= len(axis.marks()) <= 10
    assert axis.marks()[0] == axis.start_us


def test_a_short_stretch_is_shown_large() -> None:
    axis = axis_for(10 * HOUR + 7_000_000, 10 * HOUR + 95_000_000, 0, DAY)

    assert (axis.start_us, axis.end_us, axis.step_us) == (10 * HOUR, 10 * HOUR + 105_000_000, 15_000_000)


def test_half_a_day_is_shown_as_the_whole() -> None:
    assert axis_for(0, 12 * HOUR, 0, DAY) == Axis(0, DAY, 3 * HOUR)


@pytest.mark.parametrize("rate", [1, 5, 50])
def test_a_steady_loop_fills_every_bin_of_a_short_axis(rate: int) -> None:
    axis = Axis(0, 15_000_000, 1_000_000)
    binner = Binner(axis, rate)
    binner.add(block(list(range(0, 15_000_000, 1_000_000 // rate))))

    assert binner.series().count.min() >= 1
