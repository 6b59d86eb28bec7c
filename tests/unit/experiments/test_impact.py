"""Impact analyses: against closed forms, on sets with known effect, and on what cannot be analysed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.proofs.impact import Cell, measure, options, simulate

from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.impact import Observations, analyse
from lumen_workers.experiments.impact.model import Scale, fit, solve
from lumen_workers.experiments.impact.noise import Grid, whiten
from lumen_workers.experiments.impact.records import Good
from lumen_workers.experiments.impact.rows import split

SMALL = Cell(name="small", phi=0.6, effect=1.5, contamination=5.0, pre=240, post=180, washout=20)


def data(cell: Cell = SMALL, seed: int = 3) -> tuple[Observations, int]:
    return simulate(cell, np.random.default_rng(seed))


def test_the_coefficients_are_the_closed_form_of_ridge_with_that_noise() -> None:
    observations, event_us = data()
    pre = split(observations, event_us, options(SMALL)).pre.only([0, 1])
    found = fit(pre, ridge=3.0)
    place = int(found.weight.argmax())
    phi, white = float(found.grid.phi[place]), float(found.grid.white[place])
    lags = np.abs(pre.step[:, None] - pre.step[None, :])
    covariance = (1 - white) * phi**lags + white * np.eye(len(pre))
    x, y = found.scale.design(pre), found.scale.target(pre)
    inverse = np.linalg.inv(covariance)
    expected = np.linalg.solve(x.T @ inverse @ x + np.diag([0.0, 3.0, 3.0]), x.T @ inverse @ y)
    np.testing.assert_allclose(found.coef[place], expected, rtol=1e-6, atol=1e-9)


def test_whitening_gives_the_determinant_and_the_products_of_the_covariance() -> None:
    step = np.array([0, 1, 2, 5, 6, 9], np.int64)
    z = np.random.default_rng(1).standard_normal((6, 2))
    grid = Grid(np.array([0.7, 0.95]), np.array([0.2, 0.0]), np.array([0.5, 0.5]))
    found = whiten(grid, step, z)[-1]
    for place, (phi, white) in enumerate(zip(grid.phi, grid.white, strict=True)):
        covariance = (1 - white) * phi ** np.abs(step[:, None] - step[None, :]) + white * np.eye(6)
        np.testing.assert_allclose(found.log_det[place], np.linalg.slogdet(covariance)[1], rtol=1e-9)
        np.testing.assert_allclose(found.gram[place], z.T @ np.linalg.inv(covariance) @ z, rtol=1e-9)


def test_a_known_effect_is_found_and_the_moved_control_named() -> None:
    observations, event_us = data()
    report = analyse(observations, event_us, replace(options(SMALL), good=Good.UP))
    assert report.mean is not None
    assert report.mean.lo < 0.9 < report.mean.hi
    assert report.verdict is Verdict.IMPROVED
    assert report.cumulative is not None
    assert report.cumulative.effect == pytest.approx(report.mean.effect * report.n_post)
    assert report.controls_used == ("good_a", "good_b")
    (dropped,) = report.controls_dropped
    assert dropped.name == "moved"
    assert "moved with the event itself" in dropped.why
    assert report.p_placebo is not None
    assert report.p_placebo <= 0.1
    assert report.model is not None
    assert report.model.second_opinion is not None
    assert report.model.second_opinion.agrees is not False
    flat = report.as_dict()
    wanted = {"effect", "lo", "hi", "cumulative", "p_placebo", "verdict", "controls_used", "controls_dropped"}
    assert wanted | {"n_pre", "n_post", "model"} <= set(flat)


def test_the_structural_model_is_statsmodels() -> None:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    observations, event_us = data()
    chosen = options(SMALL)
    report = analyse(observations, event_us, chosen)
    parts = split(observations, event_us, chosen).folded()
    pre, post = parts.pre.only([0, 1]), parts.post.only([0, 1])
    model = UnobservedComponents(pre.y, "local level", exog=pre.x)
    fitted = model.fit(disp=False, maxiter=500)
    steps = int(post.step[-1] - pre.step[-1])
    ahead = np.zeros((steps, 2))
    ahead[post.step - pre.step[-1] - 1] = post.x
    expected = np.asarray(fitted.get_forecast(steps, exog=ahead).predicted_mean)[post.step - pre.step[-1] - 1]
    assert report.model is not None
    assert report.model.second_opinion is not None
    assert report.model.second_opinion.estimate is not None
    effect = report.model.second_opinion.estimate.effect
    assert effect == pytest.approx(float((post.y - expected).mean()), abs=0.05)


def test_intervals_hold_and_false_alarms_are_few() -> None:
    null = measure(replace(SMALL, effect=0.0), 60, 71, opinion=False)
    assert null["coverage"] >= 0.87
    assert null["white_coverage"] < 0.75
    assert null["moved_dropped"] == 1.0
    assert null["good_dropped"] <= 0.15
    real = measure(SMALL, 25, 72, opinion=False)
    assert real["coverage"] >= 0.84
    assert real["found"] >= 0.75


def test_what_cannot_be_analysed_is_refused() -> None:
    observations, event_us = data()
    chosen = options(SMALL)
    with pytest.raises(UsageError, match="lies outside the data"):
        analyse(observations, event_us + 10_000 * US, chosen)
    with pytest.raises(UsageError, match="there are no data"):
        analyse(
            Observations(
                ts=observations.ts[:0], target="y", y=observations.y[:0], controls=(), x=observations.x[:0, :0]
            ),
            event_us,
            chosen,
        )
    with pytest.raises(UsageError, match="y is constant before the event"):
        analyse(replace(observations, y=np.full(len(observations.y), 0.3)), event_us, chosen)
    with pytest.raises(UsageError, match="washout_s"):
        analyse(observations, event_us, replace(chosen, washout_s=1e6))


def test_collinear_and_constant_controls_are_dropped_with_a_reason() -> None:
    observations, event_us = data()
    x = np.column_stack([observations.x[:, 0], 2 * observations.x[:, 0] + 1, np.full(len(observations.ts), 7.0)])
    report = analyse(replace(observations, controls=("a", "b", "c"), x=x), event_us, options(SMALL, opinion=False))
    assert report.controls_used == ("a",)
    why = {item.name: item.why for item in report.controls_dropped}
    assert "goes along with a" in why["b"]
    assert "constant" in why["c"]


def test_without_controls_only_the_level_is_left() -> None:
    observations, event_us = data()
    report = analyse(
        replace(observations, controls=(), x=observations.x[:, :0]), event_us, options(SMALL, opinion=False)
    )
    assert report.model is not None
    assert report.model.kind == "level"
    assert report.mean is not None
    assert math.isfinite(report.mean.lo)
    assert any("control" in note for note in report.notes)


def test_too_few_rows_say_insufficient() -> None:
    observations, event_us = data()
    report = analyse(observations, event_us, replace(options(SMALL), min_samples=400))
    assert (report.verdict, report.mean) == (Verdict.INSUFFICIENT, None)
    assert report.n_pre == 240


def test_without_correlation_it_is_ridge_regression_and_without_penalty_gls() -> None:
    from statsmodels.regression.linear_model import GLS, OLS

    observations, event_us = data()
    pre = split(observations, event_us, options(SMALL)).pre
    scale = Scale.of(pre)
    x, y, n = scale.design(pre), scale.target(pre), len(pre)
    plain = whiten(Grid(np.zeros(1), np.zeros(1), np.ones(1)), pre.step, np.column_stack([x, y]))[-1]
    penalty = np.array([0.0, 7.0, 7.0, 7.0])
    expected = OLS(y, x).fit_regularized(alpha=penalty / n, L1_wt=0.0).params
    np.testing.assert_allclose(solve(plain.gram, 7.0)[0][0], expected, rtol=1e-7, atol=1e-9)

    phi = 0.7
    noisy = whiten(Grid(np.full(1, phi), np.zeros(1), np.ones(1)), pre.step, np.column_stack([x, y]))[-1]
    coef, inverse, rest, _ = solve(noisy.gram, 0.0)
    gls = GLS(y, x, sigma=phi ** np.abs(pre.step[:, None] - pre.step[None, :])).fit()
    np.testing.assert_allclose(coef[0], gls.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(rest[0] / (n - 4) * inverse[0], gls.cov_params(), rtol=1e-6, atol=1e-12)
