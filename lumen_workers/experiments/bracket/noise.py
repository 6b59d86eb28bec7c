"""What a loop does by itself, and how much the difference of a bracket's two periods scatters by it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.experiments.impact.noise import Grid, whiten
from lumen_workers.experiments.impact.records import Floats
from lumen_workers.experiments.pace import Pace

FEWEST: Final = 100
"""Samples without which nothing is said of the noise."""
MOST: Final = 1500
"""Of a longer stretch every third, fifth … tick is looked at: that is noise of the same kind."""
NO_SCATTER: Final = 1e-12
"""A standard deviation up to this is rounding of equal numbers: signals have at most six decimals."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """AR(1) with ``phi`` from tick to tick, a share ``white`` of the variance being white noise on top.

    Several parameters, float64[G] each, where samples have not told which: ``variance`` of a sample and ``chance``
    belong to each of them; the chances sum to 1.
    """

    phi: Floats
    white: Floats
    variance: Floats
    chance: Floats

    @classmethod
    def known(cls, phi: float, sd: float, white: float = 0.0) -> Self:
        """Noise whose parameters are not in doubt; ``sd`` is that of a sample."""
        return cls(phi=np.array([phi]), white=np.array([white]), variance=np.array([sd * sd]), chance=np.array([1.0]))

    def difference_sd(self, pace: Pace, rate_hz: int) -> float:
        """Standard deviation of a pair's difference: √(2·(v − c)).

        v is the variance of a period's mean after the washout, c the covariance of two neighbouring ones, one period
        apart; over several parameters the expectation is taken.
        """
        counted = max(1, round((pace.period_s - pace.washout_s) * rate_hz))
        apart = round(pace.period_s * rate_hz)
        slow = mean_covariance(self.phi, counted, 0) - mean_covariance(self.phi, counted, apart)
        unit = (1.0 - self.white) * slow + self.white / counted
        return math.sqrt(2.0 * float((self.chance * self.variance * unit).sum()))


def noise_of(quiet: Block, rate_hz: int) -> dict[str, Noise | None]:
    """Signal → its noise in a stretch without rule changes; None with too few samples, or for a constant signal.

    By the restricted likelihood about one mean, on the grid that impact analyses use. AR(1) alone would take a sensor's
    own white noise for a short memory, and foretell a quarter of the real scatter.
    """
    ticks, place = np.unique(quiet.ts // period_us(rate_hz), return_index=True)
    every = 1
    if len(ticks) >= FEWEST:
        # An odd number: only then has a negative correlation over so many ticks one from tick to tick.
        every = math.ceil((ticks[-1] - ticks[0] + 1) / MOST) | 1
        chosen = ticks % every == 0
        ticks, place = ticks[chosen] // every, place[chosen]
    n = len(ticks)
    if n < FEWEST:
        return dict.fromkeys(SIGNALS)
    values = quiet.values[place]
    grid = Grid.of(n)
    (found,) = whiten(grid, ticks, np.column_stack([np.ones(n), values - values.mean(axis=0)]))
    gram, mean = found.gram, found.gram[:, 0, 0]
    out: dict[str, Noise | None] = dict.fromkeys(SIGNALS)
    for column, name in enumerate(SIGNALS, 1):
        if float(values[:, column - 1].std()) <= NO_SCATTER:
            continue
        rest = gram[:, column, column] - gram[:, 0, column] ** 2 / mean
        log = np.log(grid.prior) - 0.5 * (found.log_det + np.log(mean) + (n - 1) * np.log(rest))
        chance = np.exp(log - log.max())
        kept = np.flatnonzero(chance > 1e-6)
        out[name] = Noise(
            phi=np.sign(grid.phi[kept]) * np.abs(grid.phi[kept]) ** (1 / every),
            white=grid.white[kept],
            variance=rest[kept] / (n - 1),
            chance=chance[kept] / chance[kept].sum(),
        )
    return out


def mean_covariance(phi: Floats, n: int, apart: int) -> Floats:
    """Covariance of the means of two runs of ``n`` ticks that begin ``apart`` ticks from each other, of AR(1) noise of
    variance 1; ``apart`` 0: the variance of one. float64, as ``phi``.
    """
    lags = np.arange(-(n - 1), n)
    counts = n - np.abs(lags)
    found: Floats = (counts * phi[:, None] ** np.abs(lags + apart)).sum(axis=1) / (n * n)
    return found
