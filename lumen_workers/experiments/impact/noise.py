"""AR(1) noise in sums: what a likelihood needs of a table of series, for every phi at once.

The correlation of two rows k steps apart is phi^k, so a missing row is a longer lag and nothing else. The whitened rows
(z_i − phi^k·z_j)/√(1 − phi^2k) are independent; sums over the rows of equal lag k are all that is needed of them. AR(1)
with missing observations: Jones, Technometrics 22 (1980) 389.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.experiments.impact.records import Floats, Ints

PHI_MIN: Final = -0.9
"""Where the grid of phi begins; it ends short of 1."""

POINTS: Final = 96
MOST: Final = 768


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the rows of equal lag: of z_j zᵀ_j, of d_i zᵀ_j and of d_i dᵀ_i, where j is the row before i and
    d_i = z_i − z_j (differences: near phi = 1 the products themselves would cancel)."""

    lag: Ints
    count: Floats
    old: Floats
    mixed: Floats
    step: Floats
    first: Floats

    @classmethod
    def of(cls, steps: Ints, z: Floats) -> Sums:
        """Of the rows ``z`` (float64[n, q]) at the step numbers ``steps`` (ascending)."""
        lags = np.diff(steps)
        before, moved = z[:-1], np.diff(z, axis=0)
        known = np.unique(lags)
        parts = [lags == lag for lag in known] if len(known) > 1 else [slice(None)]
        return cls(
            lag=known,
            count=np.array([np.count_nonzero(lags == lag) for lag in known], np.float64),
            old=np.stack([before[part].T @ before[part] for part in parts]),
            mixed=np.stack([moved[part].T @ before[part] for part in parts]),
            step=np.stack([moved[part].T @ moved[part] for part in parts]),
            first=np.outer(z[0], z[0]),
        )

    def whitened(self, phi: Floats) -> tuple[Floats, Floats]:
        """ZᵀR⁻¹Z, float64[G, q, q], and log|R|, float64[G], where R are the noise's correlations."""
        rho = powers(phi, self.lag)
        white = 1.0 / (1.0 - rho * rho)
        short = 1.0 - rho
        mixed = np.einsum("gl,lij->gij", white * short, self.mixed)
        total = np.einsum("gl,lij->gij", white, self.step) + np.einsum("gl,lij->gij", white * short**2, self.old)
        return total + mixed + mixed.transpose(0, 2, 1) + self.first, -np.log(white) @ self.count


def powers(phi: Floats, lag: Ints) -> Floats:
    """``phi ** lag``, float64[G, len(lag)]."""
    raised: Floats = np.power(phi[:, None], lag[None, :].astype(np.float64))
    return raised


def grid(samples: int) -> Floats:
    """Points of phi for that many samples, evenly spaced in arcsin phi.

    There an estimate of phi scatters by 1/√samples wherever phi lies; a step of the grid is no longer than that.
    """
    low, high = math.asin(PHI_MIN), math.pi / 2
    count = min(MOST, max(POINTS, math.ceil((high - low) * math.sqrt(samples))))
    found: Floats = np.sin(low + (high - low) * (np.arange(count) + 0.5) / count)
    return found


def pair_sum(phi: Floats, steps: Ints) -> Floats:
    """ΣΣ phi^|i−j| over all pairs of the step numbers, up to each row: float64[G, n]."""
    reach = powers(phi, np.diff(steps, prepend=steps[:1]))
    total, tail = np.empty_like(reach), np.zeros(len(phi))
    before = np.zeros(len(phi))
    for row in range(len(steps)):
        # The tail is Σ phi^(t_row − t_i) over the rows before; each pair counts twice, the row with itself once.
        tail = reach[:, row] * (tail + 1.0) if row else tail
        before = before + 1.0 + 2.0 * tail
        total[:, row] = before
    return total
