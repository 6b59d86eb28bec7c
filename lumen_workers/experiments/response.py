"""How quickly a loop answers to a switch: its time constant, from the switches of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.experiments import Period
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import SIGNALS

Floats = NDArray[np.float64]

CLEAR: Final = 5.0
"""Standard errors by which the response must stand clear of none: noise alone reaches it in less than 1 in 100."""
WITHIN: Final = 4.0
"""τ is told when the ends of its 95 % range are at most this factor apart: known to about a factor of two each way."""
FEWEST: Final = 3
"""Switches below which nothing is said."""
_GRID: Final = 64
_ROUNDS: Final = 4
_F: Final = 3.84
"""χ²(1) at 95 %: by how much, in units of the noise, a worse τ of the range may fit."""


@dataclass(frozen=True)
class Response:
    """The mean response per unit of rule change, second by second from ``lead`` seconds before the switch on.

    ``values`` float64[lead + period, 4]; ``offset``: where in its second the samples lie on average, ``rate`` of them.
    """

    values: Floats
    lead: int
    offset: float
    rate: int


def time_constants(store: Store, loop: str, periods: Sequence[Period], period_s: float) -> dict[str, float | None]:
    """Signal → τ in seconds of a step response 1 − exp(−t/τ); None where the switches do not show it.

    The mean response to all switches is fitted with a level before, a size and τ, the noise being AR(1) from second to
    second: profile likelihood over a grid of τ. None unless the size stands CLEAR of none and τ is known WITHIN a
    factor, or with fewer than three switches.
    """
    out: dict[str, float | None] = dict.fromkeys(SIGNALS)
    response = _response(store, loop, periods, int(period_s))
    if response is not None:
        for column, name in enumerate(SIGNALS):
            out[name] = fitted(response, column)
    return out


def fitted(response: Response, column: int) -> float | None:
    """τ of one signal; None where it is not told."""
    y = response.values[:, column]
    n, seconds = len(y), np.arange(-response.lead, len(y) - response.lead)
    taus = np.geomspace(0.25, n - response.lead, _GRID)
    shapes = _shapes(response, seconds, taus)
    phi = 0.0
    for _ in range(_ROUNDS):
        level, size, rest, _ = _regress(y, shapes, phi)
        best = int(rest.argmin())
        left = y - level[best] - size[best] * shapes[best]
        square = float((left * left).sum())
        if square <= 1e-24 * n:
            # Without noise the best point of the grid is all there is to say.
            return round(float(taus[best]), 3) if abs(size[best]) > 1e-9 else None
        # The bias of a short series' correlation, as in ``bracket.design.noise_of``.
        phi = min(max((n * float((left[1:] * left[:-1]).sum()) / square + 1) / (n - 3), 0.0), 0.99)
    level, size, rest, spread = _regress(y, shapes, phi)
    best = int(rest.argmin())
    variance = float(rest[best]) / (n - 4)
    inside = taus[rest <= rest[best] + _F * variance]
    clear = abs(float(size[best])) > CLEAR * np.sqrt(variance * float(spread[best]))
    return round(float(taus[best]), 3) if clear and inside[-1] <= WITHIN * inside[0] else None


def _response(store: Store, loop: str, periods: Sequence[Period], seconds: int) -> Response | None:
    """The responses to all switches, each weighted by the square of its step: by what it tells per unit."""
    lead = seconds // 2
    total, weight, offsets, rates = np.zeros((lead + seconds, len(SIGNALS))), 0.0, [], []
    for before, after in pairwise(periods):
        step = after.value - before.value
        if after.event_id is None or after.began is None or before.began is None or not step:
            continue
        if before.means is None or after.means is None:
            continue
        switch = to_us(after.began)
        start = switch - lead * US
        if start < to_us(before.began):
            continue
        block = store.samples.window(loop, start, switch + seconds * US)
        place = (block.ts - start) // US
        counts = np.bincount(place, minlength=lead + seconds)
        if not counts.all():
            continue
        sums = [np.bincount(place, block.values[:, n], minlength=lead + seconds) for n in range(len(SIGNALS))]
        total += step * np.stack(sums, axis=1) / counts[:, None]
        weight += step * step
        offsets.append(float(((block.ts - start) % US).mean()) / US)
        rates.append(int(counts.max()))
    if len(offsets) < FEWEST:
        return None
    return Response(values=total / weight, lead=lead, offset=float(np.mean(offsets)), rate=max(rates))


def _shapes(response: Response, seconds: NDArray[np.int64], taus: Floats) -> Floats:
    """float64[taus, n]: the mean of 1 − exp(−t/τ) over the samples of each second; 0 before the switch."""
    within = response.offset + (np.arange(response.rate) - (response.rate - 1) / 2) / response.rate
    at = np.maximum(seconds[:, None] + within, 0.0)
    shapes: Floats = np.where(seconds >= 0, -np.expm1(-at / taus[:, None, None]).mean(axis=2), 0.0)
    return shapes


def _regress(y: Floats, shapes: Floats, phi: float) -> tuple[Floats, Floats, Floats, Floats]:
    """For each shape, with AR(1) noise of ``phi``: level, size, sum of squares left, the size's variance per unit."""
    one, y = _white(np.ones(len(y)), phi), _white(y, phi)
    x = _white(shapes, phi)
    one_one, one_y, x_one, x_x, x_y = one @ one, one @ y, x @ one, (x * x).sum(axis=1), x @ y
    free = x_x - x_one * x_one / one_one
    size = (x_y - x_one * one_y / one_one) / free
    level = (one_y - size * x_one) / one_one
    left = y - level[:, None] * one - size[:, None] * x
    return level, size, (left * left).sum(axis=1), 1.0 / free


def _white(v: Floats, phi: float) -> Floats:
    """``v`` along its last axis without the noise's memory (Prais & Winsten)."""
    out: Floats = np.concatenate([v[..., :1] * np.sqrt(1.0 - phi * phi), v[..., 1:] - phi * v[..., :-1]], axis=-1)
    return out
