"""Samples folded into minimum and maximum bins: enough to draw a day, small enough to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US
from lumen_workers.domain.signals import SIGNALS, Block, period_us

MAX_BINS = 480
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200)


@dataclass(frozen=True)
class Axis:
    """The time axis of a loop's charts: ``[start_us, end_us]``, a mark every ``step_us`` from ``start_us`` on."""

    start_us: int
    end_us: int
    step_us: int

    def marks(self) -> range:
        """Instants (µs) of the marks."""
        return range(self.start_us, self.end_us + 1, self.step_us)


def axis_for(first_us: int, last_us: int, start_us: int, end_us: int, *, marks: int = 9) -> Axis:
    """The axis that shows ``first_us … last_us`` of the period ``[start_us, end_us)``.

    The whole period if half of it or more is to be seen, else the part between two marks; at most ``marks`` spaces.
    """
    if 2 * (last_us - first_us) >= end_us - start_us:
        return Axis(start_us, end_us, _step(end_us - start_us, marks))
    # A margin of one mark on either side of what there is, so that no line starts on the frame.
    step = _step(max(last_us - first_us, US), marks - 2)
    low = start_us + (first_us - start_us) // step * step
    high = start_us + -((start_us - last_us - 1) // step) * step
    return Axis(max(low, start_us), min(high, end_us), step)


def _step(span_us: int, marks: int) -> int:
    return next((s * US for s in _STEPS_S if span_us <= s * US * marks), _STEPS_S[-1] * US)


@dataclass(frozen=True)
class Series:
    """Minimum and maximum of each signal in equal bins of an axis.

    ``low`` and ``high`` are float64[n, 4] in SIGNALS' order (inf and -inf where a bin is empty), ``count`` is int64[n].
    """

    axis: Axis
    rate_hz: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]

    def runs(self) -> Iterator[NDArray[np.int64]]:
        """Indices of filled bins, split where samples are missing between two of them."""
        filled = np.flatnonzero(self.count)
        if not len(filled):
            return
        width = (self.axis.end_us - self.axis.start_us) / len(self.count)
        reach = max(1, int(3 * period_us(self.rate_hz) / width))
        yield from np.split(filled, np.flatnonzero(np.diff(filled) > reach) + 1)

    def extremes(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest value of each signal, in SIGNALS' order. Only for a series with samples."""
        return tuple((float(self.low[:, i].min()), float(self.high[:, i].max())) for i in range(len(SIGNALS)))


class Binner:
    """Folds blocks into a Series; memory does not grow with the number of samples."""

    def __init__(self, axis: Axis, rate_hz: int) -> None:
        # Two samples a bin at least: one late tick must not leave a bin empty.
        bins = min(MAX_BINS, max(1, (axis.end_us - axis.start_us) // (2 * period_us(rate_hz))))
        self._axis, self._rate = axis, rate_hz
        self._low = np.full((bins, len(SIGNALS)), np.inf)
        self._high = np.full((bins, len(SIGNALS)), -np.inf)
        self._count = np.zeros(bins, np.int64)

    def add(self, block: Block) -> None:
        """Fold in a block whose samples lie on the axis."""
        if not len(block):
            return
        axis, bins = self._axis, len(self._count)
        # Whole numbers only, below 2**63: 480 bins of a 25-hour day in µs are 4.3e13.
        index = (block.ts - axis.start_us) * bins // (axis.end_us - axis.start_us)
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        where = index[starts]
        self._low[where] = np.minimum(self._low[where], np.minimum.reduceat(block.values, starts))
        self._high[where] = np.maximum(self._high[where], np.maximum.reduceat(block.values, starts))
        self._count[where] += np.diff(np.append(starts, len(block)))

    def series(self) -> Series:
        """What has been folded so far."""
        return Series(self._axis, self._rate, self._low, self._high, self._count)
