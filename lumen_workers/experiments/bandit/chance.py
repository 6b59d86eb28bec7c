"""Counter-based chance: what a round draws depends on the seed and the round's number alone, whoever draws it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from lumen_workers.experiments.bandit.belief import Floats

DRAWS = 4096
"""Draws from the posterior of a round: a probability of 0.05 is met to ± 0.007."""


@dataclass(frozen=True, slots=True)
class Chance:
    """A round's numbers: ``point`` in [0, 1), ``normals`` [DRAWS, arms + 1], ``uniforms`` [DRAWS] in (0, 1)."""

    point: float
    normals: Floats
    uniforms: Floats


def of_round(seed: int, number: int, arms: int) -> Chance:
    """The numbers of round ``number`` ≥ 0. Philox words are the same on every machine; its counter is the round's."""
    from scipy.special import ndtri  # it costs time at start

    words = np.random.Philox(key=seed, counter=[0, 0, 0, number]).random_raw(1 + DRAWS * (arms + 2))
    # Half a step off the grid of 2^-53: never 0 and never 1.
    open_interval = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    table = open_interval[1:].reshape(DRAWS, arms + 2)
    return Chance(float(open_interval[0]), ndtri(table[:, 1:]), table[:, 0])


def seed_of(name: str) -> int:
    """A seed in [0, 2^63) from a name, such as an experiment's id: SHA-256's first bits, the same everywhere."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) >> 1
