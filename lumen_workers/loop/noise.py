"""Counter-based noise: the numbers of a tick depend on the seed and the tick alone, whoever draws them, and when."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.signals import SIGNALS

_TINY = 1e-9
"""Weight below which AR(1) forgets the past."""


def _bits(seed: int, first: int, count: int) -> NDArray[np.uint64]:
    # A Philox counter yields four words: one for each signal.
    words = np.random.Philox(key=seed, counter=first).random_raw(count * len(SIGNALS))
    return np.asarray(words, np.uint64).reshape(count, len(SIGNALS))


def uniform(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """float64[count, 4] in [0, 1) for the ticks ``first`` … ``first + count - 1``; ``seed`` and ``first`` ≥ 0."""
    return (_bits(seed, first, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """float64[count, 4], independent N(0, 1), for the same ticks (Box-Muller on pairs of signals)."""
    u = uniform(seed, first, count)
    radius = np.sqrt(-2.0 * np.log1p(-u[:, 0::2]))
    angle = 2.0 * math.pi * u[:, 1::2]
    out = np.empty_like(u)
    out[:, 0::2] = radius * np.cos(angle)
    out[:, 1::2] = radius * np.sin(angle)
    return out


def memory(phi: float) -> int:
    """How many ticks AR(1) with ``phi`` in [0, 1) remembers: phi^J is at most 1e-9."""
    return 1 if phi <= _TINY else math.ceil(math.log(_TINY) / math.log(phi))


def ar1(innovations: NDArray[np.float64], phi: float) -> NDArray[np.float64]:
    """y_k = phi · y_{k-1} + x_k down the first axis, from y = 0.

    Doubling: sum of phi^i L^i = (1 + phi L)(1 + phi² L²)(1 + phi⁴ L⁴)…, so log2 of the memory passes.
    """
    out = innovations.copy()
    lag, weight = 1, phi
    while lag < len(out) and weight > 1e-18:
        out[lag:] = out[lag:] + weight * out[:-lag]
        lag, weight = 2 * lag, weight * weight
    return out


def ar1_noise(seed: int, first: int, count: int, phi: float, sd: float) -> NDArray[np.float64]:
    """float64[count, 4]: stationary AR(1) noise with standard deviation ``sd`` for the ticks from ``first`` on."""
    before = min(memory(phi), first)
    shocks = normal(seed, first - before, before + count) * (sd * math.sqrt(1.0 - phi * phi))
    return ar1(shocks, phi)[before:]
