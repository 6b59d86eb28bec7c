"""Brackets that may end early, on noise that is known: what is said at their end, by two intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lumen_workers.experiments.bracket.sequential import confidence_sequence

Floats = NDArray[np.float64]

LEVEL: Final = 0.95
BURN_IN: Final = 6
KINDS: Final = ("normal", "drift")


@dataclass(frozen=True, kw_only=True)
class Ends:
    """``early``: share of experiments that end before their last pair. For the interval quoted at the end, by the
    paired t test and by the always-valid sequence: the share that excludes 0, and the share that holds the effect.
    """

    early: float
    t_differs: float
    t_holds: float
    sequence_differs: float
    sequence_holds: float


def drawn(kind: str, runs: int, pairs: int, seed: int) -> Floats:
    """float64[runs, pairs]: differences without effect, of deviation 1 over all runs.

    ``normal``: independent. ``drift``: a sine as long as a pair and far larger than the noise, so that a difference has
    one of two values, as the coin has it: the worst case for whoever takes differences as normal.
    """
    rng = np.random.default_rng(seed)
    if kind == "normal":
        return rng.standard_normal((runs, pairs))
    height = np.abs(np.cos(rng.uniform(0, 2 * np.pi, (runs, 1))))
    d = height * rng.choice([-1.0, 1.0], (runs, pairs)) + 0.18 * rng.standard_normal((runs, pairs))
    out: Floats = d / d.std()
    return out


def reach(pairs: int) -> float:
    """Half the width of the sequence's interval in deviations of a difference; it depends on ``pairs`` alone."""
    d = [1.0, -1.0] * (pairs // 2) + [0.0] * (pairs % 2)
    found = confidence_sequence(d, LEVEL)
    if found.lo is None or found.hi is None:
        return math.inf
    return (found.hi - found.lo) / 2 / float(np.std(d, ddof=1))


def ends(*, kind: str, pairs: int, effect: float, runs: int, seed: int) -> Ends:
    """Experiments of at most ``pairs`` that end where the sequence has left 0, from BURN_IN pairs on."""
    d = drawn(kind, runs, pairs, seed) + effect
    last = np.full(runs, pairs)
    going = np.ones(runs, np.bool_)
    for n in range(BURN_IN, pairs):
        centre, scatter = d[:, :n].mean(axis=1), d[:, :n].std(axis=1, ddof=1)
        out = going & (np.abs(centre) > reach(n) * scatter)
        last[out] = n
        going &= ~out
    rows = np.arange(runs)
    sums, squares = d.cumsum(axis=1)[rows, last - 1], (d * d).cumsum(axis=1)[rows, last - 1]
    centre = sums / last
    scatter = np.sqrt((squares - last * centre * centre) / (last - 1))
    t = stdtrit(last - 1, 0.5 + LEVEL / 2) / np.sqrt(last) * scatter
    sequence = np.array([reach(n) if n >= BURN_IN else math.inf for n in range(pairs + 1)])[last] * scatter
    return Ends(
        early=float(1.0 - going.mean()),
        t_differs=float((np.abs(centre) > t).mean()),
        t_holds=float((np.abs(centre - effect) <= t).mean()),
        sequence_differs=float((np.abs(centre) > sequence).mean()),
        sequence_holds=float((np.abs(centre - effect) <= sequence).mean()),
    )
