"""Store time by this process's monotonic clock: ticks lie on it, however wrong this machine's clock is."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_workers.domain.clock import US, Clock, to_us
from lumen_workers.domain.ports import Store

_PROBES = 3


@dataclass(frozen=True)
class Anchor:
    """``store time = monotonic + offset_us``, known to ``± error_us`` (half of the round trip)."""

    offset_us: int
    error_us: int

    @classmethod
    def measure(cls, store: Store, clock: Clock) -> Anchor:
        """Ask the store's time three times, keep the quickest answer. Raises StoreUnavailable."""
        return min((cls._probe(store, clock) for _ in range(_PROBES)), key=lambda anchor: anchor.error_us)

    @classmethod
    def _probe(cls, store: Store, clock: Clock) -> Anchor:
        before = clock.monotonic()
        there = to_us(store.now())
        after = clock.monotonic()
        return cls(there - round((before + after) / 2 * US), round((after - before) / 2 * US) + 1)

    def refined(self, new: Anchor) -> Anchor:
        """``new`` if the clocks have moved against each other or it is the more exact one, else this one.

        A difference within the two errors says nothing, and following it would only add jitter to the ticks.
        """
        moved = abs(new.offset_us - self.offset_us) > new.error_us + self.error_us
        return new if moved or new.error_us < self.error_us // 2 else self

    def now_us(self, clock: Clock) -> int:
        """Store time, µs UTC."""
        return self.offset_us + int(clock.monotonic() * US)
