"""What the same analysis finds where nothing happened: pseudo-events within the pre-period."""

from __future__ import annotations

from typing import Final

import numpy as np

from lumen_workers.experiments.impact.mixture import Mixture
from lumen_workers.experiments.impact.model import fit
from lumen_workers.experiments.impact.rows import Rows

FEWEST: Final = 9
"""Pseudo-events below which there is no p-value: it could not fall below 0.1."""

ENOUGH: Final = 19
"""Pseudo-events from which on p can be 0.05; as many are made as the pre-period gives at the post-period's length."""

MOST: Final = 39
SHORTEST: Final = 5
"""Rows of a pseudo post-period."""


def placebo(pre: Rows, found: Mixture, ridge: float, n_post: int, washout: int) -> tuple[float | None, int]:
    """p = (1 + those that look as strong or stronger) / (1 + pseudo-events), and how many there were.

    The second half of the pre-period is cut into stretches that do not overlap; each in turn is taken for a
    post-period, all rows before its washout for the pre-period. Effects are compared by their size in standard
    deviations, so a stretch may be shorter than the real post-period; it is as long as ENOUGH stretches allow.
    ``washout`` rows behind an event are left out in proportion. None when there are fewer than FEWEST.
    """
    half = len(pre) // 2
    room = len(pre) - half
    length = max(SHORTEST, min(n_post + washout, room // ENOUGH))
    skip = min(washout * length // (n_post + washout), length - 1)
    count = min(MOST, room // length)
    if count < FEWEST:
        return None, count
    actual = strength(found)
    stronger = 0
    for number in range(count):
        start = len(pre) - (number + 1) * length
        stretch = fit(pre[:start], ridge).effect(pre[start + skip : start + length])
        stronger += strength(stretch) >= actual
    return (1 + stronger) / (1 + count), count


def strength(effect: Mixture) -> float:
    """Size of an effect in standard deviations of what is known of it."""
    return float(np.abs(effect.mean) / effect.sd)
