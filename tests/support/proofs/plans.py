"""Plans of brackets by noise that has to be found out first: whether they find what they promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter
from support.proofs.brackets import LEVEL, PACE, RATE_HZ, SD

from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.experiments.bracket.noise import Noise, noise_of
from lumen_workers.experiments.bracket.power import chance_of, power


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Foretold smallest change by the true one: its median, and where 90 % of the plans lie. ``finds``: the probability
    that a bracket finds the change which its plan says it finds with 80 %.
    """

    low: float
    middle: float
    high: float
    finds: float


def planning(*, phi: float, white: float, runs: int, seed: int, pairs: int = 10, quiet_s: int = 300) -> Planned:
    """Plans by the noise of ``quiet_s`` seconds; a share ``white`` of its variance is a sensor's own white noise."""
    rng = np.random.default_rng(seed)
    count = quiet_s * RATE_HZ
    ts = np.arange(count) * period_us(RATE_HZ)
    plans: list[float] = []
    while len(plans) < runs:
        shocks = rng.standard_normal((count + 500, len(SIGNALS))) * SD * np.sqrt((1 - white) * (1 - phi * phi))
        slow = lfilter([1.0], [1.0, -phi], shocks, axis=0)[500:]
        values = 0.3 + slow + rng.standard_normal(slow.shape) * SD * np.sqrt(white)
        for noise in noise_of(Block(ts=ts, values=values), RATE_HZ).values():
            assert noise is not None
            plans.append(power(noise, PACE, pairs, RATE_HZ, 0.01).mde)
    foretold = np.array(plans[:runs])
    true = Noise.known(phi, SD, white)
    exact, deviation = power(true, PACE, pairs, RATE_HZ, 0.01).mde, true.difference_sd(PACE, RATE_HZ)
    low, middle, high = np.quantile(foretold / exact, [0.05, 0.5, 0.95]).tolist()
    finds = float(np.mean([chance_of(mde / deviation, pairs, LEVEL) for mde in foretold]))
    return Planned(low=low, middle=middle, high=high, finds=finds)
