"""The noise: AR(1), with or without white noise on top, whitened for every pair of parameters at once.

The variance is 1, of which a share ``white`` is white; the rest has the correlation phi^k over k steps, so a missing
row is a longer lag and nothing else. The sum is an ARMA(1, 1): what AR(1) alone says of it is too short a memory, and
intervals that are too narrow. It is whitened by a Kalman filter with one state, the AR(1) part (Jones, Technometrics
22 (1980) 389); the filter's gains do not depend on the data, so all series go through it side by side.
"""

from __future__ import annotations

import math
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
    """Series without their correlation: ``rows`` float64[G, n, q]; ``log_det`` float64[G] is log|R|.

    ``state``, float64[G, q], is what the AR(1) part of each series is believed to be at the last row, ``spread``,
    float64[G], its variance there.
    """

    rows: Floats
    log_det: Floats
    state: Floats
    spread: Floats

    def gram(self) -> Floats:
        """ZᵀR⁻¹Z, float64[G, q, q]."""
        found: Floats = self.rows.transpose(0, 2, 1) @ self.rows
        return found


def whiten(grid: Grid, steps: Ints, z: Floats) -> Whitened:
    """The series ``z`` (float64[n, q]) at the step numbers ``steps`` (ascending)."""
    n, q = z.shape
    points = len(grid.phi)
    known, place = np.unique(np.diff(steps, prepend=steps[:1]), return_inverse=True)
    reach = powers(grid.phi, known)
    own = 1.0 - grid.white
    out = np.empty((n, points, q))
    state, spread = np.zeros((points, q)), own.copy()
    scale = np.empty((n, points))
    for row in range(n):
        if row:
            rho = reach[:, place[row]]
            state = rho[:, None] * state
            spread = own + rho * rho * (spread - own)
        total = spread + grid.white
        shock = z[row] - state
        gain = spread / total
        state = state + gain[:, None] * shock
        spread = spread * (1.0 - gain)
        out[row], scale[row] = shock, total
    out /= np.sqrt(scale)[:, :, None]
    return Whitened(np.ascontiguousarray(out.transpose(1, 0, 2)), np.log(scale).sum(axis=0), state, spread)


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
