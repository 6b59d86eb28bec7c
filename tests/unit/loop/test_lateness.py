"""The lateness ring against plain numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.loop.lateness import Lateness, LatenessStats


def test_nothing_yet() -> None:
    assert Lateness(5).stats() == LatenessStats(n=0, p50_ms=0, p99_ms=0, max_ms=0, since_us=None)


@given(st.integers(0, 1_500), st.integers(0, 1_500))
def test_only_the_last_ten_minutes_and_what_was_asked_for(count: int, since: int) -> None:
    ring = Lateness(1)
    late = [(k * 7919) % 10_007 for k in range(count)]
    for k, value in enumerate(late):
        ring.add(k * 1_000_000, value)
    first = max(since, count - 600)
    found = ring.stats(since)
    kept = late[first:]
    assert found.n == len(kept)
    if kept:
        assert found.since_us == first * 1_000_000
        assert found.max_ms == max(kept) / 1000
        assert abs(found.p50_ms - np.percentile(kept, 50) / 1000) < 0.001
        assert abs(found.p99_ms - np.percentile(kept, 99) / 1000) < 0.001
