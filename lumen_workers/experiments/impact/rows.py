"""The rows of an analysis: complete ones, before and after, with step numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US
from lumen_workers.experiments.impact.records import Floats, ImpactOptions, Ints, Observations

ROWS: Final = 100
"""Rows that the model is given of the longer side, at least; a shorter side stays as it is."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Complete rows: ``step`` numbers them on the series' own grid, so that a gap is as long as it was."""

    ts: Ints
    step: Ints
    y: Floats
    x: Floats

    def __len__(self) -> int:
        return len(self.ts)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.ts[part], self.step[part], self.y[part], self.x[part])

    def only(self, columns: list[int]) -> Rows:
        """The same rows with these controls only."""
        return Rows(self.ts, self.step, self.y, self.x[:, columns])


@dataclass(frozen=True, slots=True)
class Split:
    """The rows before the event and after its washout; ``incomplete`` were left out. ``step_s`` is the usual step, of
    ``width`` steps of the data."""

    pre: Rows
    post: Rows
    incomplete: int
    step_s: float
    width: int = 1

    def only(self, columns: list[int]) -> Split:
        """The same with these controls only."""
        return replace(self, pre=self.pre.only(columns), post=self.post.only(columns))

    def folded(self) -> Split:
        """The means of stretches of steps, which leave ROWS to twice as many rows on the longer side.

        What is asked for is a mean over the post-period; its noise is what the noise comes to over long times. The
        shape of its short memory, which a model can only have wrong, is averaged away: AR(1) with white noise on top
        then fits most of what remains.
        """
        longest = max(len(self.pre), len(self.post))
        width = longest // ROWS
        if width <= 1:
            return self
        end, begin = int(self.pre.step[-1]) + 1, int(self.post.step[0])
        between = round((begin - end) / width)
        return Split(
            pre=_means(self.pre, (self.pre.step - end) // width),
            post=_means(self.post, between + (self.post.step - begin) // width),
            incomplete=self.incomplete,
            step_s=self.step_s * width,
            width=width,
        )


def split(data: Observations, event_us: int, options: ImpactOptions) -> Split:
    """The two windows; a row with a missing value is left out of both."""
    ts = data.ts
    first = -np.inf if options.pre_s is None else event_us - options.pre_s * US
    last = np.inf if options.post_s is None else event_us + options.post_s * US
    before = (ts >= first) & (ts < event_us)
    after = (ts >= event_us + options.washout_s * US) & (ts < last)
    whole = np.isfinite(data.y) & np.isfinite(data.x).all(axis=1)
    inside = ts[(ts >= first) & (ts < last)]
    step_us = float(np.median(np.diff(inside))) if len(inside) > 1 else float(US)
    # Counted from row to row: a grid that slips (a leap second, a restarted sampler) does not add up to a step.
    lags = np.maximum(np.rint(np.diff(ts, prepend=ts[:1]) / step_us), 1).astype(np.int64)
    step = np.cumsum(lags)

    def rows(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Rows:
        return Rows(ts[mask], step[mask], data.y[mask], data.x[mask])

    return Split(
        pre=rows(before & whole),
        post=rows(after & whole),
        incomplete=int(np.count_nonzero((before | after) & ~whole)),
        step_s=step_us / US,
    )


def _means(rows: Rows, group: Ints) -> Rows:
    """One row for each number of ``group`` (ascending), which becomes its step."""
    known, start, count = np.unique(group, return_index=True, return_counts=True)
    return Rows(
        rows.ts[start],
        known,
        np.add.reduceat(rows.y, start) / count,
        np.add.reduceat(rows.x, start, axis=0) / count[:, None],
    )
