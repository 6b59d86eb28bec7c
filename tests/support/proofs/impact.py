"""How often an impact analysis is right: targets with known effect, two good controls, one that the event moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtri

from lumen_workers.domain.clock import US
from lumen_workers.experiments.impact import ImpactOptions, ImpactReport, Observations, analyse
from lumen_workers.experiments.impact.model import fit
from lumen_workers.experiments.impact.records import Estimate
from lumen_workers.experiments.impact.rows import split

Floats = NDArray[np.float64]

START_US: Final = 1_767_225_600 * US
STEP_US: Final = 200_000
BURN: Final = 2_000
NAMES: Final = ("good_a", "good_b", "moved")
MOVED: Final = "moved"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of data: y = 3 + 0.8·a − 0.5·b + 0.4·c + 0.6·noise, whose series all have deviation 1.

    ``phi`` is the noise's; the controls a, b and c have 0.9. ``effect`` is added to y and ``contamination`` to the
    observed c, from the event on, both in deviations of the noise and of c. ``pre`` and ``post`` rows a side,
    ``washout`` rows in between. ``missing``: share of rows without a target. ``white``: share of the noise's variance
    that is white. ``ridge``: penalty, None chosen.
    """

    name: str
    phi: float
    effect: float = 0.0
    contamination: float = 2.0
    pre: int = 600
    post: int = 550
    washout: int = 50
    missing: float = 0.0
    white: float = 0.0
    ridge: float | None = None


NOISE_SD: Final = 0.6

CELLS: Final = (
    Cell(name="noise 0.6, no effect", phi=0.6),
    Cell(name="noise 0.6, effect 1", phi=0.6, effect=1.0),
    Cell(name="noise 0.9, no effect", phi=0.9),
    Cell(name="noise 0.9, effect 1", phi=0.9, effect=1.0),
    Cell(name="noise 0.98, no effect", phi=0.98),
    Cell(name="noise 0.9, a tenth of the rows missing", phi=0.9, missing=0.1),
    Cell(name="noise 0.9, a fifth of it white", phi=0.9, white=0.2),
    Cell(name="noise 0.9, the control moves by 0.5 only", phi=0.9, contamination=0.5),
    Cell(name="noise 0.6, 90 days before and 30 after", phi=0.6, pre=90, post=30, washout=0),
)


def ar1(rng: np.random.Generator, rows: int, phi: float, columns: int = 1) -> Floats:
    """Stationary AR(1) series of deviation 1, float64[rows, columns]."""
    shocks = rng.standard_normal((rows + BURN, columns)) * np.sqrt(1.0 - phi * phi)
    series: Floats = lfilter([1.0], [1.0, -phi], shocks, axis=0)[BURN:]
    return series


def simulate(cell: Cell, rng: np.random.Generator) -> tuple[Observations, int]:
    """The series and the instant of the event."""
    rows = cell.pre + cell.washout + cell.post
    after = np.arange(rows) >= cell.pre
    x = ar1(rng, rows, 0.9, 3)
    noise = np.sqrt(1.0 - cell.white) * ar1(rng, rows, cell.phi)[:, 0]
    noise += np.sqrt(cell.white) * rng.standard_normal(rows)
    y = 3.0 + x @ [0.8, -0.5, 0.4] + NOISE_SD * (noise + cell.effect * after)
    x[after, 2] += cell.contamination
    y[rng.random(rows) < cell.missing] = np.nan
    ts = START_US + np.arange(rows, dtype=np.int64) * STEP_US
    return Observations(ts=ts, target="y", y=y, controls=NAMES, x=x), int(ts[cell.pre])


def options(cell: Cell, *, opinion: bool = True) -> ImpactOptions:
    """Those of the analysis of such data."""
    return ImpactOptions(
        pre_s=cell.pre * STEP_US / US,
        post_s=(cell.post + cell.washout) * STEP_US / US,
        washout_s=cell.washout * STEP_US / US,
        ridge_lambda=cell.ridge,
        min_samples=20,
        opinion=opinion,
    )


def measure(cell: Cell, sets: int, seed: int, *, opinion: bool = True) -> dict[str, Any]:
    """``sets`` analyses. All shares are in [0, 1].

    ``coverage``: the interval holds the effect; ``found``: it excludes 0 (with no effect: false positives);
    ``placebo_found``: placebo p ≤ 0.05; ``moved_dropped``: the control that the event moves is left out;
    ``good_dropped``: one of the others is, for having moved. ``white_coverage``: of the interval that takes the
    residuals of a least squares fit for white noise; ``unscreened_coverage``: ours, with the moved control left in.
    ``width``: median, in deviations of the noise. ``structural_coverage`` and ``agrees``: of the second opinion.
    """
    rng = np.random.default_rng(seed)
    hits: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        hits.setdefault(name, []).append(value)

    truth = NOISE_SD * cell.effect
    for _ in range(sets):
        data, event_us = simulate(cell, rng)
        chosen = options(cell, opinion=opinion)
        report = analyse(data, event_us, chosen)
        assert report.mean is not None
        assert report.model is not None
        note("coverage", report.mean.lo <= truth <= report.mean.hi)
        note("found", not report.mean.lo <= 0 <= report.mean.hi)
        if report.p_placebo is not None:
            note("placebo_found", report.p_placebo <= 0.05)
        dropped = {item.name for item in report.controls_dropped}
        note("moved_dropped", MOVED in dropped)
        note("good_dropped", bool(dropped - {MOVED}))
        note("white_coverage", _white(data, event_us, chosen, truth))
        note("unscreened_coverage", _unscreened(data, event_us, chosen, report, truth))
        note("width", (report.mean.hi - report.mean.lo) / NOISE_SD)
        second = report.model.second_opinion
        if second is not None and second.estimate is not None:
            note("structural_coverage", second.estimate.lo <= truth <= second.estimate.hi)
            note("agrees", second.agrees is True)
            note("disagrees", second.agrees is False)
    width = float(np.median(hits.pop("width")))
    return {
        "name": cell.name,
        "sets": sets,
        "phi": cell.phi,
        "effect": cell.effect,
        **{name: round(float(np.mean(values)), 4) for name, values in hits.items()},
        "width": round(width, 3),
    }


def _white(data: Observations, event_us: int, chosen: ImpactOptions, truth: float) -> bool:
    """Whether an interval for white noise holds the effect: least squares on the good controls, normal quantile."""
    rows = split(data, event_us, chosen)
    pre, post = rows.pre.only([0, 1]), rows.post.only([0, 1])
    design = np.column_stack([np.ones(len(pre)), pre.x])
    coef = np.linalg.lstsq(design, pre.y, rcond=None)[0]
    left = pre.y - design @ coef
    ahead = np.concatenate([[1.0], post.x.mean(axis=0)])
    lever = ahead @ np.linalg.inv(design.T @ design) @ ahead
    se = np.sqrt(left @ left / (len(pre) - 3) * (1.0 / len(post) + lever))
    effect = post.y.mean() - ahead @ coef
    return bool(abs(effect - truth) <= ndtri(0.975) * se)


def _unscreened(data: Observations, event_us: int, chosen: ImpactOptions, report: ImpactReport, truth: float) -> bool:
    assert report.model is not None
    rows = split(data, event_us, chosen).folded()
    found = Estimate.of(fit(rows.pre, report.model.ridge_lambda or 0.0).effect(rows.post), chosen.level)
    return found.lo <= truth <= found.hi


def table(cells: Sequence[Cell], sets: int, seed: int) -> list[dict[str, Any]]:
    """One line a cell; each has a seed of its own."""
    return [measure(cell, sets, seed + number) for number, cell in enumerate(cells)]
