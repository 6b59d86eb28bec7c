"""How late the ticks of one loop fired, over the last ten minutes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SPAN_S = 600


@dataclass(frozen=True, kw_only=True)
class LatenessStats:
    """Percentiles in milliseconds over ``n`` ticks (0.0 each when there were none); ``since_us`` is the oldest."""

    n: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    since_us: int | None = None


class Lateness:
    """A ring of the last ticks. One thread adds; another may read a summary meanwhile (it may miss the newest)."""

    def __init__(self, rate_hz: int) -> None:
        self._size = rate_hz * _SPAN_S
        self._ticks = np.zeros(self._size, np.int64)
        self._late = np.zeros(self._size, np.int64)
        self.count = 0
        """Ticks added so far."""

    def add(self, tick_us: int, late_us: int) -> None:
        """Note one tick."""
        at = self.count % self._size
        self._ticks[at] = tick_us
        self._late[at] = late_us
        self.count += 1

    def stats(self, since_count: int = 0) -> LatenessStats:
        """The ticks after the first ``since_count``, as far as the ring still has them."""
        count = self.count
        n = min(count - since_count, self._size)
        if n <= 0:
            return LatenessStats()
        at = np.arange(count - n, count) % self._size
        late = self._late[at] / 1000
        p50, p99 = np.percentile(late, (50, 99))
        return LatenessStats(
            n=n,
            p50_ms=round(float(p50), 3),
            p99_ms=round(float(p99), 3),
            max_ms=round(float(late.max()), 3),
            since_us=int(self._ticks[at[0]]),
        )
