"""What a window of samples covers, and what is missing from it. Missing ticks are derived, never stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumen_workers.domain.ports import SampleStore
from lumen_workers.domain.signals import Block, period_us


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What a window holds. Times are µs UTC; ``expected == present + missing``.

    Ticks are counted from the first to the last sample inside the window, one period apart. A tick is present when at
    least one sample lies within half a period of it; so for samples on the loop's grid a tick is present when it has
    its sample, and samples off the grid (imported ones) are judged by whether each period has one.

    ``samples`` counts rows (more than ``present`` where a period has several), ``off_grid`` those whose time is not a
    tick of the loop's grid. ``gaps`` has ``(start_us, end_us, missing)`` for each run of missing ticks: the first
    missing tick, the first tick after the run, and how many are missing. ``first_us`` and ``last_us`` are None for a
    window without samples.
    """

    expected: int = 0
    present: int = 0
    missing: int = 0
    samples: int = 0
    off_grid: int = 0
    gaps: tuple[tuple[int, int, int], ...] = ()
    first_us: int | None = None
    last_us: int | None = None


def coverage(
    samples: SampleStore, loop: str, rate_hz: int, start_us: int, end_us: int, *, upto: int | None = None
) -> Coverage:
    """The coverage of ``start_us <= ts < end_us``; ``upto`` leaves out rows above that ledger number.

    Streams over ``samples.scan``: memory is bounded by one chunk and the number of gaps.
    """
    count = _Count(period_us(rate_hz))
    for block in samples.scan(loop, start_us, end_us, upto=upto):
        count.add(block)
    return count.result()


class _Count:
    """The running state between two blocks."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.first: int | None = None
        self.last = 0
        self.tick = 0
        self.samples = 0
        self.present = 0
        self.off_grid = 0
        self.gaps: list[tuple[int, int, int]] = []

    def add(self, block: Block) -> None:
        """Count one block, which must lie behind the last one."""
        if not len(block):
            return
        if self.first is None:
            self.first = int(block.ts[0])
            self.tick = -1
        # The ticks are laid from the first sample, so that imported samples with a constant offset to the grid, or
        # with a little jitter around it, do not fall now into one period and now into the next.
        ticks = (block.ts - self.first + self.period // 2) // self.period
        before = np.concatenate(([self.tick], ticks[:-1]))
        steps = ticks - before
        self.present += int(np.count_nonzero(steps))
        for index in np.flatnonzero(steps > 1):
            start, end = int(before[index]) + 1, int(ticks[index])
            self.gaps.append((self.first + start * self.period, self.first + end * self.period, end - start))
        self.off_grid += int(np.count_nonzero(block.ts % self.period))
        self.samples += len(block)
        self.tick = int(ticks[-1])
        self.last = int(block.ts[-1])

    def result(self) -> Coverage:
        """What has been counted."""
        if self.first is None:
            return Coverage()
        expected = self.tick + 1
        return Coverage(
            expected=expected,
            present=self.present,
            missing=expected - self.present,
            samples=self.samples,
            off_grid=self.off_grid,
            gaps=tuple(self.gaps),
            first_us=self.first,
            last_us=self.last,
        )
