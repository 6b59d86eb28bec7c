"""The likelihood of phi and the spread of Δ, against matrices written out in full."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lumen_workers.effects.ar1 import block_ticks, grid, likelihood, points
from lumen_workers.effects.series import Series
from lumen_workers.effects.spread import spread

Floats = NDArray[np.float64]
PHI = np.array([-0.55, -0.1, 0.0, 0.3, 0.6, 0.9, 0.97, 0.995])


def series(*events: tuple[list[int], list[int]], seed: int = 5) -> Series:
    """Events of two windows each, from the ticks that they hold; values are noise with two signals."""
    rng = np.random.default_rng(seed)
    windows = [np.array(window) for event in events for window in event]
    values = [rng.normal(0, 0.05, (len(window), 2)).cumsum(axis=0) for window in windows]
    return Series(
        np.concatenate(windows),
        np.concatenate([value - value.mean(axis=0) for value in values]),
        np.array([len(window) for window in windows]).reshape(-1, 2),
    )


WHOLE = (list(range(100, 130)), list(range(140, 175)))
GAPPED = ([3, 4, 5, 9, 10, 15, 16, 17, 18], [31, 32, 34, 35, 36, 44])


def dense(tick: Floats, phi: float) -> Floats:
    found: Floats = phi ** np.abs(tick[:, None] - tick[None, :])
    return found


def restricted(y: Floats, x: Floats, v: Floats) -> tuple[float, float]:
    """The restricted log-likelihood with the variance profiled out, and that variance."""
    inverse = np.linalg.inv(v)
    info = x.T @ inverse @ x
    means = np.linalg.solve(info, x.T @ inverse @ y)
    rest = y - x @ means
    free = len(y) - x.shape[1]
    variance = float(rest @ inverse @ rest) / free
    log = -0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(info)[1] + free * np.log(variance))
    return float(log), variance


@pytest.mark.parametrize(
    ("event", "ticks"),
    [(WHOLE, 5), (WHOLE, 1), (GAPPED, 1)],
    ids=["blocks", "single ticks", "single ticks, some missing"],
)
def test_likelihood_is_that_of_the_full_matrices(event: tuple[list[int], list[int]], ticks: int) -> None:
    given = series(event)
    weight, variance, free = likelihood(given, PHI, ticks)

    tick = given.tick.astype(np.float64)
    post = np.arange(len(tick)) >= given.counts[0, 0]
    edge = np.where(post, tick - event[1][0], event[0][-1] - tick) // ticks
    means = np.stack(
        [(edge == place) & (post == late) for late in (False, True) for place in np.unique(edge[post == late])]
    )
    mean = means / means.sum(axis=1, keepdims=True)
    x = np.stack([~post, post], axis=1).astype(np.float64)
    assert free[0] == len(mean) - 2
    for signal in range(2):
        logs, variances = zip(
            *(restricted(mean @ given.values[:, signal], mean @ x, mean @ dense(tick, phi) @ mean.T) for phi in PHI),
            strict=True,
        )
        np.testing.assert_allclose(variance[0, signal], variances, rtol=1e-8)
        pair = (
            np.array([dense(np.arange(2.0 * ticks), phi) for phi in PHI]).reshape(-1, 2, ticks, 2, ticks).mean((2, 4))
        )
        prior = np.gradient(pair[:, 0, 1] / pair[:, 0, 0])
        expected = np.exp(np.array(logs) - max(logs)) * prior
        np.testing.assert_allclose(weight[0, signal], expected / expected.sum(), rtol=1e-7)


def test_spread_is_that_of_the_full_matrices() -> None:
    given = series(WHOLE, GAPPED, (GAPPED[0], WHOLE[0]))
    variance, effective = spread(given, PHI)

    start = 0
    for event, (before, after) in enumerate(given.counts.tolist()):
        tick = given.tick[start : start + before + after].astype(np.float64)
        start += before + after
        contrast = np.r_[np.full(before, -1 / before), np.full(after, 1 / after)]
        for place, phi in enumerate(PHI):
            v = dense(tick, phi)
            assert variance[event, place] == pytest.approx(contrast @ v @ contrast, rel=1e-9)
            independent = before**2 / v[:before, :before].sum() + after**2 / v[before:, before:].sum()
            assert effective[event, place] == pytest.approx(independent, rel=1e-9)


def test_events_beside_each_other_do_not_touch() -> None:
    together = likelihood(series(WHOLE, GAPPED), PHI, 3)
    values = series(WHOLE, GAPPED).values
    for event, (ticks, rows) in enumerate(((WHOLE, slice(0, 65)), (GAPPED, slice(65, None)))):
        alone = Series(np.array([*ticks[0], *ticks[1]]), values[rows], np.array([[len(ticks[0]), len(ticks[1])]]))
        for one, all_ in zip(likelihood(alone, PHI, 3), together, strict=True):
            assert one[0].tolist() == all_[event].tolist()


@pytest.mark.parametrize("ticks", [1, 3, 5, 25, 49])
def test_each_phi_has_its_own_correlation_of_blocks(ticks: int) -> None:
    phi = grid(200)
    within = np.array([dense(np.arange(2.0 * ticks), p) for p in phi]).reshape(-1, 2, ticks, 2, ticks).mean((2, 4))

    assert (np.diff(within[:, 0, 1] / within[:, 0, 0]) > 0).all()


@pytest.mark.parametrize(
    ("shorter", "rate_hz", "ticks"), [(145, 5, 5), (50, 5, 1), (145, 1, 1), (1450, 50, 49), (300, 10, 9)]
)
def test_a_block_is_a_second_or_a_25th_of_the_window_and_odd(shorter: int, rate_hz: int, ticks: int) -> None:
    assert block_ticks(shorter, rate_hz) == ticks


def test_more_samples_get_a_finer_grid() -> None:
    for samples in (8, 290, 3_000, 20_000):
        phi = grid(points(samples))
        steps = np.diff(np.arcsin(phi))
        assert steps.max() <= max(1 / np.sqrt(samples), 0) or points(samples) == points(8)
        assert phi[0] > -0.9
        assert 0.999 < phi[-1] < 1
