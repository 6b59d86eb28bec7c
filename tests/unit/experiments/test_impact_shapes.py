"""Impact analyses of awkward series: every number is finite, and gaps, scales and lengths are what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.proofs.impact import Cell, ar1, options, simulate

from lumen_workers.domain.clock import US
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.impact import ImpactOptions, Observations, analyse
from lumen_workers.experiments.impact.notes import remarks
from lumen_workers.experiments.impact.rows import ROWS, split

CELL = Cell(name="small", phi=0.6, effect=1.0, pre=120, post=90, washout=10)
ALL = ImpactOptions(pre_s=None, post_s=None, washout_s=0.0, min_samples=20, min_post=1)


def series(y: Any, x: Any) -> Observations:
    x = np.asarray(x, np.float64)
    ts = np.arange(len(y), dtype=np.int64) * US
    names = tuple(f"x{number}" for number in range(x.shape[1]))
    return Observations(ts=ts, target="y", y=np.asarray(y, np.float64), controls=names, x=x)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers(one)]
    return [float(value)] if isinstance(value, float) else []


RNG = np.random.default_rng(5)
X = ar1(RNG, 200, 0.8, 2)
NOISE = ar1(RNG, 200, 0.5)[:, 0]
STEP = (np.arange(200) >= 150) * 1.0


@pytest.mark.parametrize(
    "data",
    [
        series(2 * X[:, 0] + 5 * STEP, X),
        series(X[:, 0] * 1e12 + 1e15 + NOISE * 1e12, X * 1e-9),
        series(X[:, 0] * 1e-12 + NOISE * 1e-12, X),
        series(np.cumsum(NOISE), X),
        series(np.arange(200.0), X),
        series(np.round(NOISE), np.round(X)),
        series((np.arange(200) % 2) * 1.0, X),
        series(NOISE, np.column_stack([X, X[:, 0], X.sum(axis=1)])),
        series(NOISE, ar1(RNG, 200, 0.5, 40)),
        series(np.where(np.arange(200) == 0, 1.0, 0.0), X),
        series(NOISE, np.where(np.arange(200)[:, None] < 150, X, 7.0)),
    ],
    ids=["exact", "large", "tiny", "walk", "line", "steps", "saw", "same", "many", "spike", "frozen"],
)
def test_every_number_is_finite(data: Observations) -> None:
    report = analyse(data, int(data.ts[150]), ALL)
    told = report.as_dict()
    json.dumps(told, allow_nan=False)
    assert np.isfinite(numbers(told)).all()
    assert report.mean is not None
    assert report.mean.lo <= report.mean.effect <= report.mean.hi
    assert report.path is not None
    for name in ("observed", "expected", "effect", "effect_lo", "effect_hi", "cumulative_lo", "cumulative_hi"):
        assert np.isfinite(getattr(report.path, name)).all(), name


def test_units_and_origin_change_nothing() -> None:
    data, event_us = simulate(CELL, np.random.default_rng(2))
    chosen = options(CELL, opinion=False)
    plain = analyse(data, event_us, chosen)
    other = analyse(replace(data, y=1000 * data.y - 40, x=data.x * [3.0, -0.01, 1e6] + 5), event_us, chosen)
    assert plain.mean is not None
    assert other.mean is not None
    for name in ("effect", "lo", "hi"):
        assert getattr(other.mean, name) == pytest.approx(1000 * getattr(plain.mean, name), rel=1e-6)
    assert other.p_placebo == plain.p_placebo
    assert [item.name for item in other.controls_dropped] == [item.name for item in plain.controls_dropped]


def test_rows_with_a_missing_value_leave_a_gap_of_their_length() -> None:
    data, event_us = simulate(CELL, np.random.default_rng(2))
    holes, x = data.y.copy(), data.x.copy()
    holes[[30, 31, 32, 150]] = np.nan
    x[60, 1] = np.nan
    thin = replace(data, y=holes, x=x)
    parts = split(thin, event_us, options(CELL))
    assert parts.incomplete == 5
    assert (len(parts.pre), len(parts.post)) == (116, 89)
    lags = np.diff(parts.pre.step)
    assert sorted(lags[lags != 1].tolist()) == [2, 4]
    assert parts.post.step[0] - parts.pre.step[-1] == 11
    report = analyse(thin, event_us, options(CELL, opinion=False))
    assert any("5 rows with a missing value" in note for note in report.notes)


def test_absent_rows_are_gaps_too_and_uneven_times_are_rounded() -> None:
    ts = np.setdiff1d(np.arange(200), [40, 41]) * US + np.random.default_rng(1).integers(-200_000, 200_000, 198)
    data = Observations(ts=ts, target="y", y=np.zeros(198), controls=(), x=np.empty((198, 0)))
    lags = np.diff(split(data, 150 * US, ALL).pre.step)
    assert np.flatnonzero(lags != 1).tolist() == [39]
    assert lags[39] == 3


def test_long_series_are_folded_and_the_mean_stays() -> None:
    cell = Cell(name="long", phi=0.9, pre=3_000, post=1_500, washout=50, missing=0.05)
    data, event_us = simulate(cell, np.random.default_rng(4))
    raw = split(data, event_us, options(cell))
    folded = raw.folded()
    assert folded.width == len(raw.pre) // ROWS
    assert ROWS <= len(folded.pre) < 2 * ROWS
    # Full stretches end with the pre-period and begin with the post-period; the washout lies between.
    assert folded.post.step[0] - folded.pre.step[-1] - 1 == round(50 / folded.width)
    np.testing.assert_allclose(folded.post.y.mean(), raw.post.y.mean(), atol=0.02)
    report = analyse(data, event_us, options(cell))
    assert report.n_post == len(raw.post)
    assert report.model is not None
    assert report.model.averaged == folded.width
    assert report.path is not None
    assert report.cumulative is not None
    assert report.path.cumulative[-1] == pytest.approx(report.cumulative.effect, rel=1e-3)


def test_the_band_ends_where_the_interval_does() -> None:
    data, event_us = simulate(CELL, np.random.default_rng(2))
    report = analyse(data, event_us, options(CELL, opinion=False))
    assert report.path is not None
    assert report.cumulative is not None
    width = report.cumulative.hi - report.cumulative.lo
    assert report.path.cumulative_hi[-1] - report.path.cumulative_lo[-1] == pytest.approx(width, rel=0.15)
    assert report.path.cumulative[-1] == pytest.approx(report.cumulative.effect, rel=1e-3)


def test_without_a_good_direction_an_effect_reads_changed() -> None:
    data = series(X[:, 0] + 0.2 * NOISE + 5 * STEP, X)
    assert analyse(data, int(data.ts[150]), ALL).verdict is Verdict.CHANGED
    quiet = series(X[:, 0] + 0.2 * NOISE, X)
    verdicts = {size: analyse(quiet, int(data.ts[150]), replace(ALL, relevant=size)).verdict for size in (10.0, 1e-6)}
    assert verdicts == {10.0: Verdict.NO_CHANGE_DETECTABLE, 1e-6: Verdict.INCONCLUSIVE}


def test_a_control_far_beyond_its_past_is_told() -> None:
    walk = np.cumsum(ar1(np.random.default_rng(8), 200, 0.9)[:, 0])
    walk[150:] = walk[149] + 3.0 * np.ptp(walk[:150]) * np.linspace(0.1, 1.0, 50)
    far = split(series(NOISE, walk[:, None]), 150 * US, ALL)
    assert any("extrapolation" in note for note in remarks(far, ("x0",), ("x0",), 0.5, None))
    near = split(series(NOISE, X), 150 * US, ALL)
    assert remarks(near, ("x0", "x1"), ("x0", "x1"), 0.5, None) == ()
