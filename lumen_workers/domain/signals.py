"""The four signals of a loop and the arrays that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US

SIGNALS: Final = ("phase_diff", "entropy_rate", "creative_band", "risk_band")
"""Names, in the order of every array's columns and of the SPEC file forms."""

SHORT: Final = {"phase_diff": "phase", "entropy_rate": "entropy", "creative_band": "creative", "risk_band": "risk"}
"""The stem of a signal in file columns: ``pre_phase``, ``d_risk``."""

GOOD: Final[Mapping[str, int]] = {"phase_diff": -1, "entropy_rate": -1, "creative_band": 1, "risk_band": -1}
"""The good direction of a signal: +1 when more is better, −1 when less is (S05)."""

RATES_HZ: Final = (1, 2, 4, 5, 10, 20, 25, 40, 50)
"""Rates that divide a second into whole milliseconds."""


class Reading(NamedTuple):
    """One sample's values, each in [0, 1]."""

    phase_diff: float
    entropy_rate: float
    creative_band: float
    risk_band: float


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of one loop.

    ``ts`` is int64[n], microseconds UTC, ascending; ``values`` is float64[n, 4] in SIGNALS' order.
    """

    ts: NDArray[np.int64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.ts.ndim != 1 or self.values.shape != (len(self.ts), len(SIGNALS)):
            raise ValueError(f"a block needs ts[n] and values[n, 4], not {self.ts.shape} and {self.values.shape}")

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def empty(cls) -> Block:
        return cls(np.empty(0, np.int64), np.empty((0, len(SIGNALS)), np.float64))

    @classmethod
    def of(cls, rows: Sequence[tuple[int, Reading]]) -> Block:
        """A block of ``(ts_us, reading)`` rows, which must be ascending already."""
        if not rows:
            return cls.empty()
        return cls(np.array([ts for ts, _ in rows], np.int64), np.array([reading for _, reading in rows], np.float64))

    @classmethod
    def concat(cls, blocks: Sequence[Block]) -> Block:
        if not blocks:
            return cls.empty()
        return cls(np.concatenate([b.ts for b in blocks]), np.concatenate([b.values for b in blocks]))

    def slice(self, start_us: int, end_us: int) -> Block:
        """The samples with ``start_us <= ts < end_us`` (views, no copy)."""
        low, high = np.searchsorted(self.ts, (start_us, end_us), side="left")
        return Block(self.ts[low:high], self.values[low:high])


def period_us(rate_hz: int) -> int:
    """Microseconds between two ticks of a loop at ``rate_hz``."""
    return US // rate_hz


def grid_index(ts_us: int, rate_hz: int) -> int:
    """Number of the tick at or before ``ts_us`` on the loop's grid (tick 0 is the Unix epoch)."""
    return ts_us // period_us(rate_hz)
