"""The samples of many events as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of E events in a row: of each event the pre window, then the post window.

    ``tick`` is int64[n], numbers of ticks on the loop's grid, ascending within an event; ``values`` is float64[n, S]
    less the mean of their window; ``counts`` is int64[E, 2], samples a window, each at least 2.
    """

    tick: Ints
    values: Floats
    counts: Ints

    def ends(self) -> tuple[Ints, Ints]:
        """The first and the last tick of each window, in turn pre and post: int64[2E] each."""
        after = np.cumsum(self.counts.ravel())
        return self.tick[after - self.counts.ravel()], self.tick[after - 1]


def powers(phi: Floats, lag: Ints) -> Floats:
    """``phi ** lag``, float64[len(lag), G]; each distinct lag is raised once."""
    known, place = np.unique(lag, return_inverse=True)
    raised: Floats = np.power(phi[None, :], known[:, None].astype(np.float64))[place]
    return raised
