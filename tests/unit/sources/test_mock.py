from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.loops import T0, RuleBook, eventually, loop_spec

from lumen_workers.adapters.sources import make_source
from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.ports import Source


def opened(home: Path, last_us: int | None = None, book: RuleBook | None = None, seed: int = 0) -> Source:
    source = make_source(loop_spec("mock", {"seed": seed}, rate_hz=5), store=(book or RuleBook()).store, home=home)
    source.open(last_us)
    return source


def test_the_curves(tmp_path: Path) -> None:
    source = opened(tmp_path)
    values = np.array([source.read(T0 + k * 200_000, 0.0).values[0] for k in range(1500)])
    source.close()
    assert (values == np.round(values, 3)).all()
    t = np.arange(1500) * 0.2
    expected = np.array(
        [
            0.5 * (1 + np.sin(2 * math.pi * 0.2 * t)) * np.exp(-t / 120),
            0.2 + 0.15 * np.exp(-t / 90),
            0.2 + 0.1 * (1 - np.exp(-t / 180)),
            0.4 * np.exp(-t / 150),
        ]
    ).T
    off = values - np.clip(expected, 0, 1)
    for signal, amplitude in enumerate((0.02, 0.01, 0.01, 0.01)):
        assert amplitude * 0.95 < np.abs(off[:, signal]).max() <= amplitude + 0.0005
        inside = (expected[:, signal] > 0.05) & (expected[:, signal] < 0.95)
        assert off[inside, signal].std() == pytest.approx(amplitude / math.sqrt(3), rel=0.1)


def test_another_process_goes_on_with_the_same_series(tmp_path: Path) -> None:
    source = opened(tmp_path)
    whole = [source.read(T0 + k * 200_000, 0.0).values[0].tolist() for k in range(100)]
    source.close()
    book = RuleBook()
    book.first_us = T0
    book.error = StoreUnavailable("away")
    other = opened(tmp_path, T0 + 49 * 200_000, book)
    assert len(other.read(T0 + 50 * 200_000, 0.0)) == 0  # where it stands is not known yet
    book.error = None
    eventually(lambda: len(other.read(T0 + 51 * 200_000, 0.0)), "the first row")
    assert [other.read(T0 + k * 200_000, 0.0).values[0].tolist() for k in range(52, 100)] == whole[52:]
    other.close()


def test_the_seed_changes_the_noise(tmp_path: Path) -> None:
    one, two = opened(tmp_path, seed=1), opened(tmp_path, seed=2)
    ticks = range(T0, T0 + 4 * US, 200_000)
    a, b = ([s.read(ts, 0.0).values[0].tolist() for ts in ticks] for s in (one, two))
    assert a != b
    one.close()
    two.close()
