"""What the same analysis finds where nothing happened: pseudo-events within the pre-period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.model import Past
from lumen_workers.experiments.mixture import Mixture

FEWEST: Final = 9
"""Pseudo-events below which there is no p-value: it could not fall below 0.1."""

ENOUGH: Final = 19
"""Pseudo-events from which on p can be 0.05; as many are made as the pre-period gives at the post-period's length."""

MOST: Final = 39
SHORTEST: Final = 2
"""Rows of the model in a pseudo post-period."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Pseudo post-periods: stretch i is ``length`` rows from ``starts[i]`` on, without its first ``skip``."""

    starts: tuple[int, ...]
    length: int
    skip: int


def stretches(n_pre: int, n_post: int, washout: int) -> Stretches:
    """The second half of a pre-period of ``n_pre`` rows, cut into stretches that do not overlap.

    Each is as long as the real post-period with its ``washout``, but no longer than ENOUGH stretches allow; the washout
    is left out in proportion.
    """
    room = n_pre - n_pre // 2
    length = max(SHORTEST, min(n_post + washout, room // ENOUGH))
    count = min(MOST, room // length)
    skip = min(washout * length // (n_post + washout), length - 1)
    return Stretches(tuple(n_pre - number * length for number in range(count, 0, -1)), length, skip)


def placebo(past: Past, found: Mixture, ridge: float, cut: Stretches) -> float | None:
    """p = (1 + those that look as strong or stronger) / (1 + pseudo-events); None when they are fewer than FEWEST.

    Each stretch in turn is taken for a post-period, all rows before it for the pre-period (``past`` is cut there).
    Effects are compared by their size in standard deviations, so a stretch may be shorter than the real post-period.
    """
    if len(cut.starts) < FEWEST:
        return None
    actual = strength(found)
    stronger = 0
    for number, start in enumerate(cut.starts):
        stretch = past.rows[start + cut.skip : start + cut.length]
        stronger += strength(past.fit(ridge, number).effect(stretch)) >= actual
    return (1 + stronger) / (1 + len(cut.starts))


def strength(effect: Mixture) -> float:
    """Size of an effect in standard deviations of what is known of it."""
    return float(np.abs(effect.mean) / effect.sd)
