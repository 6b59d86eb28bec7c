"""An interval for the difference of two window means when neighbouring samples resemble each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import RATES_HZ, SIGNALS, Block, period_us
from lumen_workers.effects.ar1 import block_ticks, grid, likelihood, points
from lumen_workers.effects.mixture import Mixture
from lumen_workers.effects.series import Floats, Series
from lumen_workers.effects.spread import spread

POWER: Final = 0.8
"""The minimum detectable effect is found in this share of cases."""

MIN_SAMPLES: Final = 4
"""Samples of a window below which nothing can be said of its noise."""

MIN_FREE: Final = 4
"""Degrees of freedom below which there is no interval."""

STEPS: Final = (1e-3, 1e-6)
"""Resolutions of the samples: of the SPEC file form (3 decimals), and of the sampler (6)."""

_CELLS: Final = 100_000
"""Numbers in one array: events are worked on in parts that stay in the processor's cache."""

_OFF: Final = 1e-6
"""A part of a step that a decimal written as a float64 may be off by."""

_TINY: Final = 1e-300


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Δ = mean(post) − mean(pre) of one signal, and how well the samples determine it; no number is ever NaN.

    ``lo ≤ delta ≤ hi`` hold the true difference with probability ``level``. ``se``: standard error of ``delta``.
    ``phi``: correlation of neighbouring samples, as far as the long run goes (mean of its distribution).
    ``n_eff``: independent samples that would give the two means as well (its geometric mean), at most those there are.
    ``mde``: the smallest true difference that a test at 1 − ``level`` finds in 80 % of cases. ``p``: two-sided p-value
    of a true difference of 0; below 1 − ``level`` exactly when the interval excludes 0.
    """

    delta: float
    lo: float
    hi: float
    level: float
    se: float
    phi: float
    n_eff: float
    mde: float
    p: float


def difference(pre: Block, post: Block, rate_hz: int, level: float = 0.95) -> dict[str, Interval | None]:
    """Signal → interval of one event; see ``differences``."""
    return differences([(pre, post)], rate_hz, level)[0]


def differences(
    windows: Sequence[tuple[Block, Block]], rate_hz: int, level: float = 0.95
) -> list[dict[str, Interval | None]]:
    """For each event's (pre, post) samples: signal → interval, in the order of ``windows``.

    The noise is taken as AR(1) with unknown phi, the same in both windows. For one phi, Δ has the variance
    s²(phi)·v(phi): s² from the restricted likelihood of the means of blocks (see ``ar1``), v from the ticks that the
    windows hold. The interval is that of the mixture, over the likelihood of phi, of Student's t distributions about Δ
    with these variances: what the samples leave open about phi widens it, where a plugged-in estimate would not.

    None where nothing can be said: fewer than MIN_SAMPLES in a window, fewer than MIN_FREE degrees of freedom, or
    samples that scatter about their window's mean by less than half a step of their decimals (a constant signal):
    rounding then hides the noise, and an interval of no width would be a lie.
    Pre comes before post. Raises UsageError for a rate or level out of range.
    """
    if rate_hz not in RATES_HZ:
        raise UsageError(f"rate {rate_hz} Hz: one of {', '.join(map(str, RATES_HZ))}")
    if not 0 < level < 1:
        raise UsageError(f"level {level:g}: above 0 and below 1")
    out: list[dict[str, Interval | None]] = [dict.fromkeys(SIGNALS) for _ in windows]
    able = [place for place, pair in enumerate(windows) if min(map(len, pair)) >= MIN_SAMPLES]
    if not able:
        return out
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in able:
        alike[_resolution(windows[place], rate_hz)].append(place)
    for (ticks, size), members in alike.items():
        step = max(1, _CELLS // (len(SIGNALS) * size))
        for first in range(0, len(members), step):
            places = members[first : first + step]
            part = [windows[place] for place in places]
            rows, usable = _solve(part, rate_hz, ticks, grid(size), level)
            for place, numbers, good in zip(places, rows.tolist(), usable.tolist(), strict=True):
                out[place] = {
                    signal: _interval(*row, level=level) if fine else None
                    for signal, row, fine in zip(SIGNALS, numbers, good, strict=True)
                }
    return out


def _resolution(windows: tuple[Block, Block], rate_hz: int) -> tuple[int, int]:
    """The ticks of a block and the points of phi for one event: from its own windows only, so that its interval does
    not depend on the events that are computed beside it."""
    shorter = min(int(block.ts[-1] - block.ts[0]) // period_us(rate_hz) + 1 for block in windows)
    return block_ticks(shorter, rate_hz), points(sum(map(len, windows)))


def _interval(
    delta: float, reach: float, se: float, phi: float, n_eff: float, mde: float, p: float, *, level: float
) -> Interval:
    return Interval(
        delta=delta, lo=delta - reach, hi=delta + reach, level=level, se=se, phi=phi, n_eff=n_eff, mde=mde, p=p
    )


def _solve(
    windows: Sequence[tuple[Block, Block]], rate_hz: int, ticks: int, phi: Floats, level: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """float64[E, 4, 7]: of each event and signal Δ and the numbers of its interval, in ``_interval``'s order;
    and bool[E, 4]: whether they may be used."""
    means = np.array([[block.values.mean(axis=0) for block in pair] for pair in windows])
    delta = means[:, 1] - means[:, 0]
    series = _series(windows, means, rate_hz)
    weight, variance, free = likelihood(series, phi, ticks)
    per_unit, effective = spread(series, phi)
    scale = np.sqrt(np.maximum(variance * per_unit[:, None], _TINY))
    mixture = Mixture(weight, scale, np.maximum(free, 1.0))
    reach = mixture.quantile(0.5 + level / 2)
    rows: Floats = np.stack(
        [
            delta,
            reach,
            np.sqrt((weight * scale * scale).sum(axis=2)),
            weight @ phi,
            np.minimum(
                np.exp((weight * np.log(effective)[:, None]).sum(axis=2)), series.counts.sum(axis=1, keepdims=True)
            ),
            reach + mixture.quantile(POWER),
            np.minimum(2.0 * mixture.below(-np.abs(delta)), 1.0),
        ],
        axis=2,
    )
    return rows, _scattered(windows) & (free >= MIN_FREE)[:, None]


def _series(windows: Sequence[tuple[Block, Block]], means: Floats, rate_hz: int) -> Series:
    blocks = [block for pair in windows for block in pair]
    counts = np.array([len(block) for block in blocks])
    values = np.concatenate([block.values for block in blocks]) - np.repeat(
        means.reshape(len(blocks), len(SIGNALS)), counts, axis=0
    )
    tick = np.concatenate([block.ts for block in blocks]) // period_us(rate_hz)
    return Series(tick, values, counts.reshape(-1, 2))


def _scattered(windows: Sequence[tuple[Block, Block]]) -> NDArray[np.bool_]:
    """bool[E, 4]: whether the samples scatter about their windows' means by half a step of their decimals or more."""
    squares = np.array([[block.values.var(axis=0) * len(block) for block in pair] for pair in windows]).sum(axis=1)
    scatter = np.sqrt(squares / np.array([[len(pre) + len(post) - 2] for pre, post in windows]))
    fine: NDArray[np.bool_] = scatter >= STEPS[0] / 2
    for event, signal in np.argwhere(~fine).tolist():
        values = np.concatenate([block.values[:, signal] for block in windows[event]])
        coarse = np.abs(values / STEPS[0] - np.round(values / STEPS[0])).max() < _OFF
        fine[event, signal] = scatter[event, signal] >= STEPS[0 if coarse else 1] / 2
    return fine
