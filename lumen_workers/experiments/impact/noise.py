"""The noise: AR(1), with or without white noise on top, whitened for every pair of parameters at once.

The variance is 1, of which a share ``white`` is white; the rest has the correlation phi^k over k steps, so a missing
row is a longer lag and nothing else. The sum is an ARMA(1, 1): what AR(1) alone says of it is too short a memory, and
intervals that are too narrow. It is whitened by a Kalman filter with one state, the AR(1) part (Jones, Technometrics
22 (1980) 389); the filter's gains do not depend on the data, so all series go through it side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.records import Floats, Ints

PHI_MIN: Final = -0.9
"""Where the grid of phi begins; it ends short of 1."""

LEAST: Final = 24
MOST: Final = 128
"""Points of phi."""

WHITES: Final = (0.0, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8)
"""Shares of white noise."""

_CHUNK: Final = 64
"""Rows whose products are summed at once."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Pairs of parameters, float64[G] each. ``prior`` is what each stands for: phi and the share are flat."""

    phi: Floats
    white: Floats
    prior: Floats

    @classmethod
    def of(cls, samples: int) -> Grid:
        """For that many rows: evenly spaced in arcsin phi.

        There an estimate of phi scatters by 1/√samples wherever phi lies; a step is no longer than that.
        """
        low, high = math.asin(PHI_MIN), math.pi / 2
        count = min(MOST, max(LEAST, math.ceil((high - low) * math.sqrt(samples))))
        phi = np.sin(low + (high - low) * (np.arange(count) + 0.5) / count)
        # A point stands for a stretch of phi of √(1 − phi²), and for half the way to the shares on either side.
        edges = np.concatenate([[0.0], (np.array(WHITES[1:]) + np.array(WHITES[:-1])) / 2, [1.0]])
        prior = np.sqrt(1.0 - phi * phi)[:, None] * np.diff(edges)
        return cls(np.repeat(phi, len(WHITES)), np.tile(WHITES, count), prior.ravel() / prior.sum())

    def only(self, kept: Ints | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Grid:
        """These points only."""
        return Grid(self.phi[kept], self.white[kept], self.prior[kept])


@dataclass(frozen=True, slots=True)
class Whitened:
    """What is left of the first ``count`` rows of q series without their correlation.

    ``gram`` is ZᵀR⁻¹Z, float64[G, q, q]; ``log_det``, float64[G], is log|R|. ``state``, float64[G, q], is what the
    AR(1) part of each series is believed to be at the last row, ``spread``, float64[G], its variance there.
    """

    count: int
    gram: Floats
    log_det: Floats
    state: Floats
    spread: Floats


def whiten(grid: Grid, steps: Ints, z: Floats, cuts: Sequence[int] = ()) -> list[Whitened]:
    """The series ``z`` (float64[n, q]) at the step numbers ``steps`` (ascending): all rows, and the first of each of
    ``cuts`` (ascending, below n), the whole last. A row is whitened by the rows before it, so one way through serves.
    """
    n, q = z.shape
    points = len(grid.phi)
    gram, log_det = np.zeros((q, q, points)), np.zeros(points)
    buffer = np.empty((_CHUNK, q, points))
    ends, held = {*cuts, n}, 0
    out = []
    for count, (shock, total, state, spread) in enumerate(_filtered(grid, steps, z), start=1):
        np.divide(shock, np.sqrt(total), out=buffer[held])
        log_det += np.log(total)
        held += 1
        if held < _CHUNK and count not in ends:
            continue
        for one in range(q):
            for other in range(one, q):
                gram[one, other] += (buffer[:held, one] * buffer[:held, other]).sum(axis=0)
                gram[other, one] = gram[one, other]
        held = 0
        if count in ends:
            products = np.ascontiguousarray(gram.transpose(2, 0, 1))
            out.append(Whitened(count, products, log_det.copy(), state.T.copy(), spread.copy()))
    return out


def innovations(phi: float, white: float, steps: Ints, z: Floats) -> Floats:
    """The whitened rows for one pair of parameters, float64[n, q]."""
    grid = Grid(np.array([phi]), np.array([white]), np.ones(1))
    rows = [(shock / np.sqrt(total))[:, 0] for shock, total, _, _ in _filtered(grid, steps, z)]
    return np.array(rows)


def _filtered(grid: Grid, steps: Ints, z: Floats) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Row by row: its innovation (float64[q, G]), the variance of that, the state behind it and the state's variance.

    The arrays are good until the next row is asked for.
    """
    known, place = np.unique(np.diff(steps, prepend=steps[:1]), return_inverse=True)
    reach = powers(grid.phi, known).T.copy()
    own = 1.0 - grid.white
    state, spread = np.zeros((z.shape[1], len(grid.phi))), own.copy()
    for row, lag in enumerate(place.tolist()):
        if row:
            rho = reach[lag]
            state *= rho
            spread = own + rho * rho * (spread - own)
        total = spread + grid.white
        shock = z[row][:, None] - state
        gain = spread / total
        state += gain * shock
        spread = spread * (1.0 - gain)
        yield shock, total, state, spread


def powers(phi: Floats, lag: Ints) -> Floats:
    """``phi ** lag``, float64[G, len(lag)]."""
    raised: Floats = np.power(phi[:, None], lag[None, :].astype(np.float64))
    return raised


def pair_sum(phi: Floats, steps: Ints) -> Floats:
    """ΣΣ phi^|i−j| over all pairs of the step numbers up to each row: float64[G, n]."""
    reach = powers(phi, np.diff(steps, prepend=steps[:1]))
    total = np.empty_like(reach)
    tail, before = np.zeros(len(phi)), np.zeros(len(phi))
    for row in range(len(steps)):
        # The tail is Σ phi^(t_row − t_i) over the rows before; each pair counts twice, the row with itself once.
        tail = reach[:, row] * (tail + 1.0) if row else tail
        before = before + 1.0 + 2.0 * tail
        total[:, row] = before
    return total
