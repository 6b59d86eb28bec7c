"""The rows of an analysis: complete ones, before and after, with step numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lumen_workers.domain.clock import US
from lumen_workers.experiments.impact.records import Floats, ImpactOptions, Ints, Observations


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
    """The rows before the event and after its washout; ``incomplete`` were left out. ``step_s`` is the usual step."""

    pre: Rows
    post: Rows
    incomplete: int
    step_s: float


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
