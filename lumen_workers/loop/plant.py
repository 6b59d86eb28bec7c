"""A closed-loop reference with known truth: how its signals answer to rule events, as pure functions.

A signal at time t is, clipped to [0, 1],

    base + Σ over events of gain · (new - old) · (1 - exp(-(t - applied_at) / tau)) + AR(1) noise,

where an event counts from its ``applied_at`` on, and not at all before it is applied. The noise depends on the seed
and the number of the tick only, so any process continues the same series.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block, grid_index, period_us
from lumen_workers.loop.noise import ar1_noise, normal

SATURATED: Final = 40.0
"""Time constants after which a response is complete to the last bit of a float64."""

DEFAULT_BASE: Final = {"phase_diff": 0.30, "entropy_rate": 0.25, "creative_band": 0.30, "risk_band": 0.25}
DEFAULT_GAINS: Final[Mapping[str, Mapping[str, float]]] = {
    "creative_min": {"phase_diff": -0.3, "entropy_rate": 0.2, "creative_band": 1.0},
    "risk_max": {"entropy_rate": 0.1, "creative_band": 0.2, "risk_band": 0.6},
}
"""Rule → signal → change of the signal for a change of the rule by one."""


@dataclass(frozen=True, kw_only=True)
class PlantOptions:
    """``base`` in [0, 1] for each signal; 0 ≤ ``phi`` < 1; ``sd`` ≥ 0 is the stationary one; ``tau_s`` > 0.

    ``gains``: rule → signal → Δsignal for a change of the rule by one; what is not named has gain 0.
    """

    base: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_BASE))
    phi: float = 0.9
    sd: float = 0.02
    tau_s: float = 5.0
    gains: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: dict(DEFAULT_GAINS))
    seed: int = 0


@dataclass(frozen=True)
class Drive:
    """What pushes the signals: their ``level`` (float64[4]) before the first step, then steps.

    ``at`` is int64[m], microseconds, ascending; ``size`` is float64[m, 4], the full change that each step ends in.
    """

    level: NDArray[np.float64]
    at: NDArray[np.int64]
    size: NDArray[np.float64]


def drive(options: PlantOptions, events: Sequence[RuleEvent], before: Mapping[str, float] | None = None) -> Drive:
    """The drive of ``events`` (any order). Those not applied push nothing, nor does what takes such a one back.

    ``before``: rule → how far it had moved from its initial value before the first of ``events``; 0 when not named.
    """
    level = np.array([options.base[signal] for signal in SIGNALS])
    for rule, moved in (before or {}).items():
        level = level + moved * _gain(options, rule)
    reached = ((e, e.applied_at) for e in events if e.applied_at is not None and not e.repair)
    steps = sorted(
        ((to_us(applied_at), (e.new - e.old) * _gain(options, e.rule)) for e, applied_at in reached),
        key=lambda step: step[0],
    )
    at = np.array([at for at, _ in steps], np.int64)
    size = np.array([size for _, size in steps]).reshape(len(steps), len(SIGNALS))
    return Drive(level, at, size)


def expected(options: PlantOptions, pushed: Drive, ts: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[n, 4]: the signals without noise, before clipping, at the ascending instants ``ts`` (microseconds)."""
    out = np.zeros((len(ts), len(SIGNALS)))
    tau_us = options.tau_s * US
    starts = np.searchsorted(ts, pushed.at)
    ends = np.searchsorted(ts, pushed.at + int(SATURATED * tau_us) + 1)
    done = np.zeros((len(ts) + 1, len(SIGNALS)))
    for at, size, start, end in zip(pushed.at, pushed.size, starts, ends, strict=True):
        if start < end:
            out[start:end] += np.outer(-np.expm1((at - ts[start:end]) / tau_us), size)
        done[end] += size
    return out + np.cumsum(done[:-1], axis=0) + pushed.level


def simulate(options: PlantOptions, events: Sequence[RuleEvent], start_us: int, end_us: int, rate_hz: int) -> Block:
    """The samples of every tick in [start_us, end_us), as the plant gives them, for the whole history ``events``."""
    step = period_us(rate_hz)
    first = -(-start_us // step)
    ts = np.arange(first * step, end_us, step, dtype=np.int64)
    if not len(ts):
        return Block.empty()
    noise = ar1_noise(options.seed, first, len(ts), options.phi, options.sd)
    return Block(ts, np.clip(expected(options, drive(options, events), ts) + noise, 0.0, 1.0))


def truth(
    options: PlantOptions,
    events: Sequence[RuleEvent],
    event: RuleEvent,
    effect_options: EffectOptions,
    rate_hz: int,
) -> dict[str, float]:
    """Signal → expected Δ of ``event``: mean over the ticks of the post window minus that of the pre window.

    Without noise; the tails of other ``events`` count, as they do in what is measured. ``event`` itself need not be
    among ``events``. Raises ValueError when it is not applied yet or a window holds no tick.
    """
    if event.applied_at is None:
        raise ValueError(f"event {event.event_id} is not applied yet")
    history = {known.event_id: known for known in (*events, event)}
    pushed = drive(options, list(history.values()))
    at = to_us(event.applied_at)
    gap, pre, post = (round(s * US) for s in (effect_options.gap_s, effect_options.pre_s, effect_options.post_s))
    edges = [at - pre, at - gap, at + gap, at + post]
    means = []
    for start, end in (edges[:2], edges[2:]):
        step = period_us(rate_hz)
        ts = np.arange((-(-start // step)) * step, end, step, dtype=np.int64)
        if not len(ts):
            raise ValueError("a window of the effect holds no tick")
        means.append(np.clip(expected(options, pushed, ts), 0.0, 1.0).mean(axis=0))
    return dict(zip(SIGNALS, (means[1] - means[0]).tolist(), strict=True))


class Noise:
    """The plant's noise tick by tick: one draw when ticks follow each other, the whole memory after a jump."""

    def __init__(self, options: PlantOptions) -> None:
        self._options = options
        self._tick: int | None = None
        self._value = np.zeros(len(SIGNALS))

    def at(self, tick: int) -> NDArray[np.float64]:
        """float64[4] for the tick number ``tick`` ≥ 0."""
        o = self._options
        if self._tick is not None and tick == self._tick + 1:
            shock = normal(o.seed, tick, 1)[0] * (o.sd * math.sqrt(1.0 - o.phi * o.phi))
            self._value = o.phi * self._value + shock
        elif tick != self._tick:
            self._value = ar1_noise(o.seed, tick, 1, o.phi, o.sd)[0]
        self._tick = tick
        return self._value


def sample(options: PlantOptions, pushed: Drive, noise: Noise, ts_us: int, rate_hz: int) -> NDArray[np.float64]:
    """float64[4]: the signals of the tick at ``ts_us``."""
    calm = expected(options, pushed, np.array([ts_us], np.int64))[0]
    out: NDArray[np.float64] = np.clip(calm + noise.at(grid_index(ts_us, rate_hz)), 0.0, 1.0)
    return out


def _gain(options: PlantOptions, rule: str) -> NDArray[np.float64]:
    gains = options.gains.get(rule, {})
    return np.array([gains.get(signal, 0.0) for signal in SIGNALS])
