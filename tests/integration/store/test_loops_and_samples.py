"""Loops and samples, on both databases and in arrays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.store_records import SPEC, block

from lumen_workers.adapters.store import SqlStore, open_simulation, open_store
from lumen_workers.domain.clock import SystemClock, to_us
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.signals import Block

NOW_US = to_us(datetime(2026, 1, 5, 9, tzinfo=UTC))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "arrays"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    """As in conftest, and samples in arrays."""
    if request.param == "arrays":
        opened = open_simulation(SystemClock())
    elif request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path}/lumen.db")
    else:
        opened = open_store(request.getfixturevalue("emptied_database")())
    opened.loops.register("main", 5, "host")
    opened.loops.register("demo", 10, "plant")
    yield opened
    opened.close()


def test_arrays_forget_what_is_too_old() -> None:
    kept = open_simulation(SystemClock(), keep_s=10)
    kept.loops.register("main", 5, "plant")
    for start in range(0, 60, 5):
        kept.samples.add("main", block(start * 10**6, 25, step_us=200_000))
    assert kept.samples.span("main") == (45 * 10**6, 59_800_000)
    kept.close()


def test_arrays_that_come_out_of_order_stand_in_order() -> None:
    kept = open_simulation(SystemClock())
    kept.loops.register("main", 5, "plant")
    for start in (20, 0, 10, 5):
        kept.samples.add("main", block(start, 5, step_us=1))
    kept.samples.add("main", block(3, 20, step_us=1))
    assert kept.samples.window("main", 0, 100).ts.tolist() == list(range(25))
    kept.close()


def test_loops_are_registered_once_and_updated(store: SqlStore) -> None:
    store.samples.add("main", block(0, 3))
    store.loops.register("main", 25, "mock")
    assert store.loops.rates() == {"demo": 10, "main": 25}
    assert store.loops.watermark() == {"demo": 0, "main": 1}
    assert store.samples.count("main", 0, 10**9) == 3


def test_samples_come_back_bit_for_bit(store: SqlStore) -> None:
    given = block(NOW_US, 1000, seed=3)
    odd = Block(given.ts, given.values * np.float64(1) / 3)
    assert store.samples.add("main", odd) == 1000
    found = store.samples.window("main", NOW_US, NOW_US + 10**9)
    np.testing.assert_array_equal(found.ts, odd.ts)
    np.testing.assert_array_equal(found.values, odd.values)
    assert (found.ts.dtype, found.values.dtype) == (np.dtype(np.int64), np.dtype(np.float64))


def test_a_key_is_written_once_and_a_replay_moves_nothing(store: SqlStore) -> None:
    first, other = block(0, 10), block(0, 20, seed=9)
    assert store.samples.add("main", first) == 10
    assert store.samples.add("main", first) == 0
    assert store.loops.watermark()["main"] == 1
    assert store.samples.add("main", other) == 10
    np.testing.assert_array_equal(store.samples.window("main", 0, 10**9).values[:10], first.values)
    twice = Block(np.array([5, 5], np.int64), np.zeros((2, 4)))
    assert store.samples.add("demo", twice) == 1


def test_windows_are_half_open_and_keep_their_order(store: SqlStore) -> None:
    store.samples.add("main", block(0, 100, step_us=10))
    store.samples.add("demo", block(5, 100, step_us=10))
    bounds = [(500, 530), (0, 1), (10, 10), (990, 5000), (0, 1000)]
    blocks = list(store.samples.windows("main", bounds))
    assert [b.ts.tolist() for b in blocks[:4]] == [[500, 510, 520], [0], [], [990]]
    assert len(blocks[4]) == 100
    assert store.samples.window("main", 500, 530).ts.tolist() == [500, 510, 520]
    assert store.samples.count("main", 500, 530) == 3


def test_scan_gives_every_row_once_in_bounded_blocks(store: SqlStore) -> None:
    given = block(0, 250)
    store.samples.add("main", given)
    for chunk in (1, 99, 125, 250, 251):
        blocks = list(store.samples.scan("main", 0, 10**9, chunk=chunk))
        assert max(len(b) for b in blocks) <= chunk
        assert all(a.ts[-1] < b.ts[0] for a, b in pairwise(blocks))
        np.testing.assert_array_equal(Block.concat(blocks).values, given.values)


def test_an_add_larger_than_one_statement_is_one_batch(store: SqlStore) -> None:
    given = block(0, 120_000, step_us=1)
    assert store.samples.add("main", given) == 120_000
    assert store.loops.watermark()["main"] == 1
    np.testing.assert_array_equal(store.samples.window("main", 0, 10**9).values, given.values)


def test_upto_hides_later_batches_inside_the_window(store: SqlStore) -> None:
    store.samples.add("main", Block(np.array([0, 20], np.int64), np.zeros((2, 4))))
    mark = store.loops.watermark()["main"]
    store.samples.add("main", Block(np.array([10, 30], np.int64), np.ones((2, 4))))
    assert store.samples.window("main", 0, 100, upto=mark).ts.tolist() == [0, 20]
    assert [b.ts.tolist() for b in store.samples.scan("main", 0, 100, upto=mark, chunk=1)] == [[0], [20]]
    assert store.samples.count("main", 0, 100, upto=mark) == 2
    assert store.samples.window("main", 0, 100).ts.tolist() == [0, 10, 20, 30]


def test_tail_and_span(store: SqlStore) -> None:
    assert store.samples.span("main") is None
    assert len(store.samples.tail("main", 5)) == 0
    given = block(100, 50)
    store.samples.add("main", given)
    assert store.samples.span("main") == (100, int(given.ts[-1]))
    np.testing.assert_array_equal(store.samples.tail("main", 7).values, given.values[-7:])
    assert len(store.samples.tail("main", 500)) == 50


def test_an_unknown_loop_takes_nothing_and_has_nothing(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        store.samples.add("nobody", block(0, 1))
    assert len(store.samples.window("nobody", 0, 10**9)) == 0
    assert store.samples.span("nobody") is None
    assert [len(b) for b in store.samples.windows("nobody", [(0, 1)])] == [0]
    store.loops.register("nobody", 5, "mock")
    assert store.samples.add("nobody", block(0, 1)) == 1
    assert len(store.samples.window("nobody", 0, 1)) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_refused_whole(store: SqlStore, bad: float) -> None:
    values = np.zeros((3, 4))
    values[1, 2] = bad
    with pytest.raises(UsageError, match="finite"):
        store.samples.add("main", Block(np.arange(3, dtype=np.int64), values))
    assert store.samples.span("main") is None


def test_a_reader_may_write_between_two_windows(store: SqlStore) -> None:
    store.samples.add("main", block(0, 10))
    for found in store.samples.windows("main", [(0, 10**9), (0, 10**9)]):
        store.rules.append("main", SPEC, 0.2 + len(store.rules.events("main")) / 100, actor="x")
        assert len(found) == 10
    for _ in store.samples.scan("main", 0, 10**9, chunk=5):
        store.samples.add("demo", block(0, 1))
    assert len(store.rules.events("main")) == 2


def test_threads_share_a_store(store: SqlStore) -> None:
    written: list[int] = []

    def write(number: int) -> None:
        written.extend(store.samples.add("main", block(number * 1000 + i, 1)) for i in range(20))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(written) == store.samples.count("main", 0, 10**9) == 80
    assert store.loops.watermark()["main"] == 80


def test_store_time_is_aware_and_near(store: SqlStore) -> None:
    assert abs((store.now() - datetime.now(UTC)).total_seconds()) < 5
