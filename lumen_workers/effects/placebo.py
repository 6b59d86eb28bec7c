"""The placebo rank: is a change larger than what the loop does by itself, when nobody touches it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.windows import around

QUIET_S: Final = 1800.0
"""Seconds before an event in which to look for pseudo-events."""

FEWEST: Final = 20
"""Pseudo-events below which a rank says too little: even the smallest possible p would not be below 0.05."""

_SAME: Final = 1e-9
"""Differences that sums of float64 make; the Δ of samples with 6 decimals differ by more."""


@dataclass(frozen=True, kw_only=True)
class Placebo:
    """``p``: share of Δ at least as large, among ``count`` pseudo-events and the event itself; in (0, 1]."""

    p: float
    count: int


def placebo(
    quiet: Block,
    event_us: int,
    away_us: Sequence[int],
    deltas: Mapping[str, float | None],
    options: EffectOptions,
    rate_hz: int,
) -> dict[str, Placebo | None]:
    """Signal → rank of its Δ at ``event_us`` among the Δ of pseudo-events before it.

    ``quiet`` are the samples before the event, ``away_us`` the instants (µs, any order) of all rule events among
    them: a pseudo-event whose windows, or the gap between them, hold one does not count, nor does one with a window
    that has less than half of its ticks. p = (1 + #{|Δ_placebo| ≥ |Δ|}) / (1 + m). None for a signal without Δ, and
    for all with fewer than FEWEST pseudo-events.

    Pseudo-events lie half of the windows' whole span apart, counted back from the event, so each shares half of its
    samples with either neighbour. Further apart there would be few; closer, a small p would come from many copies of
    the same samples. The rank assumes nothing about the noise but that it is now as it was then.
    Source: permutation in time, as in Abadie, Diamond & Hainmueller, J. Am. Stat. Assoc. 105 (2010) 493, section 3.
    """
    found = placebo_deltas(quiet, event_us, away_us, options, rate_hz)
    if len(found) < FEWEST:
        return dict.fromkeys(SIGNALS)
    out: dict[str, Placebo | None] = {}
    for column, signal in enumerate(SIGNALS):
        delta = deltas.get(signal)
        if delta is None:
            out[signal] = None
            continue
        larger = int((np.abs(found[:, column]) >= abs(delta) - _SAME).sum())
        out[signal] = Placebo(p=(1 + larger) / (1 + len(found)), count=len(found))
    return out


def placebo_deltas(
    quiet: Block, event_us: int, away_us: Sequence[int], options: EffectOptions, rate_hz: int
) -> NDArray[np.float64]:
    """float64[m, 4]: Δ at each pseudo-event that counts, the latest first; see ``placebo``."""
    if not len(quiet):
        return np.empty((0, len(SIGNALS)))
    own = around(0, options)
    step = (own.post_end - own.pre_start) // 2
    at = np.arange(event_us - own.post_end, int(quiet.ts[0]), -step, dtype=np.int64)
    known = np.sort(np.asarray(away_us, np.int64))
    calm = np.searchsorted(known, at + own.pre_start) == np.searchsorted(known, at + own.post_end)
    totals = np.concatenate([np.zeros((1, len(SIGNALS))), np.cumsum(quiet.values, axis=0)])

    def window(start: int, end: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        low, high = np.searchsorted(quiet.ts, at + start), np.searchsorted(quiet.ts, at + end)
        count = high - low
        return (totals[high] - totals[low]) / np.maximum(count, 1)[:, None], 2 * count * US >= (end - start) * rate_hz

    before, filled_before = window(own.pre_start, own.pre_end)
    after, filled_after = window(own.post_start, own.post_end)
    kept: NDArray[np.float64] = (after - before)[calm & filled_before & filled_after]
    return kept
