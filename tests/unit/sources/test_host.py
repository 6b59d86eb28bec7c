from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loops import T0, RuleBook, loop_spec

from lumen_workers.adapters.sources import host, make_source
from lumen_workers.adapters.sources.host import Cores, HostSource, normalised_entropy, pressure, shares


@given(st.lists(st.floats(0, 100), max_size=16))
def test_entropy_is_a_share(weights: list[float]) -> None:
    assert 0.0 <= normalised_entropy(np.array(weights)) <= 1.0


def test_entropy_of_known_loads() -> None:
    assert normalised_entropy(np.array([3.0, 3.0, 3.0, 3.0])) == pytest.approx(1.0)
    assert normalised_entropy(np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(0.5)
    assert str(normalised_entropy(np.array([1.0, 0.0]))) == "0.0"
    assert normalised_entropy(np.array([1.0])) == 0.0
    assert normalised_entropy(np.zeros(4)) == 0.0


def test_pressure(tmp_path: Path) -> None:
    file = tmp_path / "cpu"
    file.write_text("some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0 avg300=0 total=0\n")
    assert pressure(file) == 0.125
    assert pressure(tmp_path / "not offered") is None


def test_shares_of_this_machine(tmp_path: Path) -> None:
    found = list(shares(tmp_path / "a home" / "not made yet"))
    assert len(found) >= 2  # memory and disk at least
    assert all(0.0 <= share <= 1.0 for share in found)


class Counters:
    """Two cores whose counters the test moves."""

    def __init__(self) -> None:
        self.at = 100.0
        self.busy = np.array([50.0, 20.0])
        self.total = np.array([1000.0, 1000.0])

    def read(self) -> Cores:
        return Cores(self.at, self.busy.copy(), self.total.copy())

    def run(self, seconds: float, *busy: float) -> None:
        self.at += seconds
        self.busy += np.array(busy) * seconds
        self.total += seconds


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> Counters:
    made = Counters()
    monkeypatch.setattr(host, "read_cores", made.read)
    monkeypatch.setattr(host, "shares", lambda home: iter((0.2, 0.7, 0.3)))
    return made


def opened(tmp_path: Path) -> HostSource:
    source = make_source(loop_spec("host", rate_hz=5), store=RuleBook().store, home=tmp_path)
    assert isinstance(source, HostSource)
    source.open(None)
    return source


def test_the_four_signals(counters: Counters, tmp_path: Path) -> None:
    source = opened(tmp_path)
    counters.run(0.2, 1.0, 0.0)
    assert source.read(T0, 0.05).values.tolist() == [[0.25, 0.0, pytest.approx(0.5), 0.7]]
    counters.run(0.2, 0.0, 1.0)
    assert source.read(T0 + 200_000, 3.0).values.tolist() == [[1.0, pytest.approx(1.0), pytest.approx(0.5), 0.7]]
    source.close()


def test_the_window_slides_over_one_second(counters: Counters, tmp_path: Path) -> None:
    source = opened(tmp_path)
    for tick in range(20):
        counters.run(0.2, 1.0, 1.0)
        source.read(T0 + tick * 200_000, 0.0)
    idle = []
    for tick in range(20, 28):
        counters.run(0.2, 0.0, 0.0)
        idle.append(float(source.read(T0 + tick * 200_000, 0.0).values[0, 2]))
    assert idle[0] == pytest.approx(0.2, abs=0.05)
    assert idle[2] == pytest.approx(0.6, abs=0.11)
    assert idle[6] == pytest.approx(1.0)
    source.close()


def test_no_counted_time_is_a_missing_row(counters: Counters, tmp_path: Path) -> None:
    source = opened(tmp_path)
    assert len(source.read(T0, 0.0)) == 0
    counters.run(0.01, 0.5, 0.5)
    assert len(source.read(T0, 0.0)) == 1  # the same tick may still come
    source.close()


def test_a_core_that_comes_or_goes_starts_the_window_anew(counters: Counters, tmp_path: Path) -> None:
    source = opened(tmp_path)
    counters.run(0.2, 1.0, 1.0)
    assert len(source.read(T0, 0.0)) == 1
    counters.busy, counters.total = np.array([1.0, 2.0, 3.0]), np.array([10.0, 10.0, 10.0])
    assert len(source.read(T0 + 200_000, 0.0)) == 0
    counters.run(0.2, 0.5, 0.5, 0.5)
    assert source.read(T0 + 400_000, 0.0).values[0, 2] == pytest.approx(0.5)
    source.close()


def test_memory_and_disk_that_are_stuck_make_rows_missing(
    counters: Counters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(tmp_path)
    monkeypatch.setattr(host, "_STALE_S", -1.0)
    counters.run(0.2, 1.0, 1.0)
    assert len(source.read(T0, 0.0)) == 0
    assert source.problems() == {"stuck": 1}
    source.close()
