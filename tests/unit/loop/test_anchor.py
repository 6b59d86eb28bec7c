"""Store time by the monotonic clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from lumen_workers.domain.clock import VirtualClock, to_us
from lumen_workers.domain.ports import Store
from lumen_workers.loop.anchor import Anchor

THERE = datetime(2026, 1, 31, tzinfo=UTC)


class Far:
    """A store that is five minutes ahead; each answer takes as long as told, half of it on the way there."""

    def __init__(self, clock: VirtualClock, trips: list[float]) -> None:
        self.clock, self.trips = clock, trips

    def now(self) -> datetime:
        trip = self.trips.pop(0)
        self.clock.advance(trip / 2)
        answer = self.clock.now() + timedelta(minutes=5)
        self.clock.advance(trip / 2)
        return answer


def test_the_quickest_answer_counts_and_half_of_it_is_the_error() -> None:
    clock = VirtualClock(THERE)
    anchor = Anchor.measure(cast("Store", Far(clock, [0.4, 0.02, 1.0])), clock)
    assert anchor.error_us == 10_001
    assert anchor.now_us(clock) == to_us(clock.now() + timedelta(minutes=5))
    clock.advance(60)
    assert anchor.now_us(clock) == to_us(clock.now() + timedelta(minutes=5))


def test_a_difference_within_the_errors_is_not_followed() -> None:
    old = Anchor(offset_us=1_000_000, error_us=500)
    assert old.refined(Anchor(offset_us=1_000_900, error_us=500)) is old
    moved = Anchor(offset_us=1_001_100, error_us=500)
    assert old.refined(moved) is moved
    exact = Anchor(offset_us=1_000_100, error_us=50)
    assert old.refined(exact) is exact
    rough = Anchor(offset_us=1_050_000, error_us=90_000)
    assert old.refined(rough) is old
