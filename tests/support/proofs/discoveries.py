"""Days of many changes on one loop: how many of the findings are false, and how often placebo ranks cry wolf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.effects.discoveries import q_values
from lumen_workers.effects.intervals import differences
from lumen_workers.effects.placebo import QUIET_S, placebo
from lumen_workers.effects.windows import around
from lumen_workers.loop.noise import ar1

RATE_HZ: Final = 5
Q: Final = 0.1
ALPHA: Final = 0.05
START_US: Final = 1_767_225_600 * US
OPTIONS: Final = EffectOptions()
TOGETHER: Final = np.linalg.cholesky(
    np.array([[1.0, 0.6, -0.6, 0.3], [0.6, 1.0, -0.3, 0.3], [-0.6, -0.3, 1.0, 0.0], [0.3, 0.3, 0.0, 1.0]])
)
"""Factor of the correlations between the signals' shocks, some positive, some negative."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Over days: mean share of false ones among the findings (0 on a day without any), and share of the true found."""

    false_discoveries: float
    found: float


def discovery_rates(
    *, phi: float, effect: float, days: int, seed: int, q: float = Q, changes: int = 40, apart_s: float = 30.0
) -> Rates:
    """Each day holds ``changes`` changes ``apart_s`` seconds apart, so that the post window of one is the pre window
    of the next; a fifth of them push one signal up by ``effect``, and the next change finds it there."""
    rng = np.random.default_rng(seed)
    false, found = [], []
    for _ in range(days):
        at = START_US + ((1 + np.arange(changes)) * apart_s * US).astype(np.int64)
        block = quiet(rng, phi, int((changes + 2) * apart_s))
        true = np.zeros((changes, len(SIGNALS)), np.bool_)
        pushed = rng.choice(changes, changes // 5, replace=False)
        true[pushed, rng.integers(0, len(SIGNALS), len(pushed))] = True
        level = np.concatenate([np.zeros((1, len(SIGNALS))), np.cumsum(true, axis=0)]) * effect
        block = Block(block.ts, block.values + level[np.searchsorted(at, block.ts, side="right")])
        windows = [around(int(moment), OPTIONS).split(block) for moment in at]
        p = [one.p if one else None for event in differences(windows, RATE_HZ) for one in event.values()]
        called = np.array([value is not None and value <= q for value in q_values(p)])
        wrong = called & ~(true.ravel() & (effect != 0))
        false.append(wrong.sum() / max(called.sum(), 1))
        found.append(called[true.ravel()].mean())
    return Rates(false_discoveries=float(np.mean(false)), found=float(np.mean(found)))


def placebo_alarms(*, phi: float, events: int, seed: int, alpha: float = ALPHA) -> float:
    """Share of placebo ranks p ≤ ``alpha`` at changes that did nothing; another change interrupts the quiet before."""
    rng = np.random.default_rng(seed)
    alarms = []
    moment = START_US + int(QUIET_S) * US
    for _ in range(events):
        block = quiet(rng, phi, int(QUIET_S + OPTIONS.post_s))
        away = rng.integers(START_US, moment, 1).tolist()
        pre, post = around(moment, OPTIONS).split(block)
        deltas = dict(zip(SIGNALS, (post.values.mean(axis=0) - pre.values.mean(axis=0)).tolist(), strict=True))
        found = placebo(block.slice(START_US, moment), moment, away, deltas, OPTIONS, RATE_HZ)
        alarms += [rank is None or rank.p <= alpha for rank in found.values()]
    return float(np.mean(alarms))


def quiet(rng: np.random.Generator, phi: float, seconds: int) -> Block:
    """``seconds`` of AR(1) signals that go together, from START_US on."""
    burn = 2_000
    shocks = rng.standard_normal((burn + seconds * RATE_HZ, len(SIGNALS))) @ TOGETHER.T
    values: NDArray[np.float64] = 0.5 + 0.05 * np.sqrt(1 - phi * phi) * ar1(shocks, phi)[burn:]
    ts = START_US + np.arange(len(values), dtype=np.int64) * period_us(RATE_HZ)
    return Block(ts, values.round(6))
