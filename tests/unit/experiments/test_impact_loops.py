"""The series of a loop around an event: signals of the loop and of others, and the event itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from support import day as days

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import US, iso, to_us
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.records import RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.experiments.impact import ImpactOptions, loops

AT = to_us(days.at(300))
OPTIONS = ImpactOptions()


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    opened.loops.register("main", 5, "mock")
    opened.loops.register("other", 10, "mock")
    rng = np.random.default_rng(1)
    for name, step, shift in (("main", 200_000, 0), ("other", 100_000, 30_000)):
        ts = np.arange(AT - 300 * US, AT + 300 * US, step, dtype=np.int64) + shift
        values = rng.random((len(ts), 4))
        if name == "other":
            # Its first signal tells the time of its sample.
            values[:, 0] = (ts - ts[0]) / (ts[-1] - ts[0])
        opened.samples.add(name, Block(ts, values))
    yield opened
    opened.close()


def changed(event_id: str, seconds: float) -> RuleEvent:
    at = days.at(seconds)
    return RuleEvent(
        event_id=event_id, loop="main", seq=0, ts=at, actor="Sena", rule="risk_max", old=0.35, new=0.33, applied_at=at
    )


def test_only_the_windows_are_read(store: SqlStore) -> None:
    data = loops.observations(store, "main", "phase_diff", ["risk_band", "main:creative_band"], AT, OPTIONS)
    assert (data.ts[0], data.ts[-1]) == (AT - 120 * US, AT + 120 * US - 200_000)
    block = store.samples.window("main", AT - 120 * US, AT + 120 * US)
    assert data.controls == ("risk_band", "creative_band")
    np.testing.assert_array_equal(data.y, block.values[:, 0])
    np.testing.assert_array_equal(data.x, block.values[:, [3, 2]])


def test_another_loops_sample_is_the_nearest_in_time(store: SqlStore) -> None:
    data = loops.observations(store, "main", "phase_diff", ["other:phase_diff"], AT, OPTIONS)
    first = AT - 300 * US + 30_000
    nearest = np.rint((data.ts - first) / 100_000) * 100_000
    np.testing.assert_allclose(data.x[:, 0], nearest / (600 * US - 100_000), atol=1e-9)


def test_where_the_other_loop_is_silent_the_control_is_missing(store: SqlStore) -> None:
    store.loops.register("short", 5, "mock")
    ts = np.arange(AT - 60 * US, AT, 200_000, dtype=np.int64)
    store.samples.add("short", Block(ts, np.full((len(ts), 4), 0.5)))
    data = loops.observations(store, "main", "phase_diff", ["short:risk_band"], AT, OPTIONS)
    assert int(np.isfinite(data.x[:, 0]).sum()) == len(ts)


def test_names_that_are_not_there(store: SqlStore) -> None:
    for loop, metric, controls, said in (
        ("none", "phase_diff", [], "unknown loop 'none'"),
        ("main", "phase", [], "unknown signal 'phase'"),
        ("main", "phase_diff", ["speed"], "unknown signal 'speed'"),
        ("main", "phase_diff", ["nine:risk_band"], "unknown loop 'nine'"),
        ("main", "phase_diff", ["phase_diff"], "must be different series"),
    ):
        with pytest.raises(UsageError, match=said):
            loops.observations(store, loop, metric, controls, AT, OPTIONS)
    with pytest.raises(UsageError, match="has no samples from"):
        loops.observations(store, "main", "phase_diff", [], AT + 10_000 * US, OPTIONS)
    with pytest.raises(UsageError, match="give pre_s and post_s"):
        loops.observations(store, "main", "phase_diff", [], AT, ImpactOptions(pre_s=None))


def test_an_event_counts_from_when_the_loop_had_it(store: SqlStore) -> None:
    applied = days.at(301)
    store.rules.insert([replace(changed("ev-1", 300), applied_at=applied)])
    store.rules.insert([replace(changed("ev-2", 310), applied_at=None), replace(changed("ev-3", 320), loop="other")])
    assert loops.instant(store, "main", "ev-1") == (to_us(applied), "ev-1")
    assert loops.instant(store, "main", iso(days.at(300))) == (AT, None)
    for event, said in (("ev-2", "has not reached the loop"), ("ev-3", "--loop other"), ("2026-01-31", "no time zone")):
        with pytest.raises(UsageError, match=said):
            loops.instant(store, "main", event)
    with pytest.raises(NotFound):
        loops.instant(store, "main", "ev-9")


def test_other_changes_within_the_windows_are_told(store: SqlStore) -> None:
    assert loops.overlaps(store, "main", None, AT, OPTIONS) == ()
    store.rules.insert([changed("ev-1", 300), changed("ev-2", 340), changed("ev-far", 900)])
    (told,) = loops.overlaps(store, "main", "ev-1", AT, OPTIONS)
    assert "(ev-2)" in told


def test_every_signal_has_a_good_direction() -> None:
    assert set(loops.GOOD) == set(SIGNALS)
