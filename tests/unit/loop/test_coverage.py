"""Missing ticks are derived from what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.ports import SampleStore
from lumen_workers.domain.signals import RATES_HZ, Block, period_us
from lumen_workers.loop.coverage import Coverage, coverage

START = 1_700_000_000_000_000
HOUR = 3_600_000_000


class Stamps:
    """A store of times only, read in small chunks."""

    def __init__(self, stamps: list[int], chunk: int = 3) -> None:
        self.stamps = np.array(sorted(set(stamps)), np.int64)
        self.chunk = chunk

    def scan(
        self, loop: str, start_us: int, end_us: int, *, upto: int | None = None, chunk: int = 50_000
    ) -> Iterator[Block]:
        if upto is not None:
            end_us = min(end_us, upto)
        inside = self.stamps[(self.stamps >= start_us) & (self.stamps < end_us)]
        for low in range(0, len(inside), self.chunk):
            ts = inside[low : low + self.chunk]
            yield Block(ts, np.zeros((len(ts), 4)))


def cover(stamps: list[int], rate: int = 5, *, chunk: int = 3, upto: int | None = None) -> Coverage:
    store = cast("SampleStore", Stamps(stamps, chunk))
    return coverage(store, "main", rate, START, START + HOUR, upto=upto)


def test_an_empty_window_expects_nothing() -> None:
    assert cover([]) == Coverage()
    assert cover([START - 1, START + HOUR]) == Coverage()


def test_gaps_name_the_missing_ticks() -> None:
    ticks = [START + k * 200_000 for k in (0, 1, 4, 5, 7)]
    found = cover(ticks)
    assert (found.expected, found.present, found.missing, found.samples, found.off_grid) == (8, 5, 3, 5, 0)
    assert found.gaps == ((ticks[1] + 200_000, ticks[2], 2), (ticks[3] + 200_000, ticks[4], 1))
    assert (found.first_us, found.last_us) == (ticks[0], ticks[-1])


def test_upto_reaches_the_scan() -> None:
    assert cover([START, START + 200_000], upto=START + 1).samples == 1


def test_jittered_imported_samples_are_not_missing() -> None:
    rng = np.random.default_rng(1)
    # Half a period off the grid: periods that began at the grid's ticks would split this series at random.
    stamps = [START + 100_000 + k * 200_000 + int(rng.integers(-40_000, 40_000)) for k in range(500)]
    found = cover(stamps, chunk=7)
    assert (found.expected, found.missing, found.gaps) == (500, 0, ())
    assert found.off_grid == 500


def test_a_slower_source_than_declared_is_missing_ticks() -> None:
    found = cover([START + k * 250_000 for k in range(401)])
    assert (found.expected, found.missing) == (501, 100)


@given(st.sampled_from(RATES_HZ), st.sets(st.integers(0, 60), min_size=1), st.integers(1, 9))
def test_on_the_grid_it_is_plain_counting(rate: int, ticks: set[int], chunk: int) -> None:
    period = period_us(rate)
    found = cover([START + k * period for k in ticks], rate, chunk=chunk)
    absent = sorted(set(range(min(ticks), max(ticks))) - ticks)
    assert found.expected == max(ticks) - min(ticks) + 1
    assert found.missing == len(absent)
    listed = [t for start, end, _ in found.gaps for t in range((start - START) // period, (end - START) // period)]
    assert listed == absent
    assert all(missing * period == end - start for start, end, missing in found.gaps)


@given(st.lists(st.integers(0, 20_000_000), min_size=1), st.integers(1, 9))
def test_off_the_grid_each_period_is_asked_for_a_sample(offsets: list[int], chunk: int) -> None:
    stamps = [START + offset for offset in offsets]
    found = cover(stamps, chunk=chunk)
    first, last = min(stamps), max(stamps)
    ticks = range(first, last + 100_001, 200_000)
    present = [any(-100_000 <= ts - tick < 100_000 for ts in stamps) for tick in ticks]
    if not present[-1]:
        present.pop()
    assert found.present == sum(present)
    assert found.expected == len(present)
    assert found.missing == sum(missing for _, _, missing in found.gaps) == found.expected - found.present
    assert found.samples == len(set(stamps))
    assert found.off_grid == sum(ts % 200_000 != 0 for ts in set(stamps))
