"""Guardrails on a loop that nobody hurts, and on one that gets worse: false alarms and delays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from lumen_workers.domain.clock import US
from lumen_workers.domain.signals import GOOD, SIGNALS, Block, period_us
from lumen_workers.effects.intervals import differences
from lumen_workers.experiments.pace import Guard

Floats = NDArray[np.float64]

RATE_HZ: Final = 5
LASTS_S: Final = 6 * 2 * 120
"""Six pairs of periods of two minutes."""
EVERY_S: Final = 5
START_US: Final = 1_767_225_600 * US
BURN: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """``share`` of experiments that the guardrail ends; ``delay_s``: the median of those that it ends, in seconds from
    the moment of the worsening (or from the start); None when it ends none.
    """

    share: float
    delay_s: float | None


def simulated(*, phi: float, sd: float, guard: Guard, seed: int, hurt: float = 0.0, at_s: float = 0.0) -> Block:
    """The samples of one experiment and of its baseline: each signal AR(1) noise of its own.

    From ``at_s`` seconds after the start on risk band is higher by ``hurt``, at once.
    """
    rng = np.random.default_rng(seed)
    before, ticks = int(guard.baseline_s * RATE_HZ), LASTS_S * RATE_HZ
    shocks = rng.standard_normal((BURN + before + ticks, len(SIGNALS))) * sd * np.sqrt(1 - phi * phi)
    values = 0.5 + lfilter([1.0], [1.0, -phi], shocks, axis=0)[BURN:]
    values[before + int(at_s * RATE_HZ) :, SIGNALS.index("risk_band")] += hurt
    return Block(START_US + np.arange(-before, ticks, dtype=np.int64) * period_us(RATE_HZ), values)


def ended(block: Block, guard: Guard, levels: tuple[float, ...]) -> list[float | None]:
    """For each level, when the guardrail ends the experiment, in seconds from its start; None: it does not.

    What ``guard.worse`` says at every tick, without the work of an interval for each level.
    """
    span = int(guard.window_s * US)
    before = block.slice(int(block.ts[0]), START_US)
    base = before.values.mean(axis=0)
    windows, looks, moved = [], [], []
    for second in range(EVERY_S, LASTS_S + 1, EVERY_S):
        now = START_US + second * US
        recent = block.slice(max(now - span, START_US), now)
        if len(recent) < 0.5 * guard.window_s * RATE_HZ:
            continue
        change = dict(zip(SIGNALS, (recent.values.mean(axis=0) - base).tolist(), strict=True))
        beyond = [name for name, most in guard.warn.items() if -GOOD[name] * change[name] >= most]
        if beyond:
            windows.append((before, recent))
            looks.append(second)
            moved.append(beyond)
    first: list[float | None] = [None] * len(levels)
    for second, beyond, found in zip(looks, moved, differences(windows, RATE_HZ), strict=True):
        intervals = [found[name] for name in beyond]
        p = min((interval.p for interval in intervals if interval is not None), default=1.0)
        first = [
            second if known is None and p < 1 - level else known for known, level in zip(first, levels, strict=True)
        ]
    return first


def alarms(
    *,
    phi: float,
    runs: int,
    seed: int,
    levels: tuple[float, ...],
    guard: Guard | None = None,
    sd: float = 0.02,
    hurt: float = 0.0,
    at_s: float = 0.0,
) -> list[Alarms]:
    """One for each of ``levels``. With ``hurt`` what ends before ``at_s`` counts as not found: it was a false alarm."""
    rail = guard or Guard()
    times: list[list[float]] = [[] for _ in levels]
    for run in range(runs):
        block = simulated(phi=phi, sd=sd, guard=rail, seed=seed * 100_003 + run, hurt=hurt, at_s=at_s)
        for found, end in zip(times, ended(block, rail, levels), strict=True):
            if end is not None and end > at_s:
                found.append(end - at_s)
    return [Alarms(share=len(own) / runs, delay_s=float(np.median(own)) if own else None) for own in times]
