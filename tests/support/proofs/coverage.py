"""How often an interval holds the truth: series whose noise is known, and three ways to put an interval around Δ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import stdtrit

from lumen_workers.domain.clock import US, from_us
from lumen_workers.domain.records import EffectOptions, RuleEvent
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.effects.filters import ema, iqr_mask
from lumen_workers.effects.intervals import differences
from lumen_workers.effects.windows import around
from lumen_workers.loop.plant import PlantOptions, simulate, truth

Floats = NDArray[np.float64]
Pair = tuple[Block, Block]

RATE_HZ: Final = 5
GAP: Final = 10
"""Ticks of the two seconds around the change."""

LEVEL: Final = 0.95
SD: Final = 0.05
START_US: Final = 1_767_225_600 * US
BURN: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of data. ``ar``: the noise's autoregressive coefficients; its stationary deviation is SD.

    ``shocks``: normal or t3. ``missing``: share of ticks lost, ``outage``: ticks lost in a row in each window.
    ``white``: share of the variance that is white noise on top. ``drift``: amplitude of a sine of ``drift_s`` seconds
    and random phase. ``after``: deviation of the post window by that of the pre window. ``tau_s``: the change settles
    so (through the plant) rather than at once. ``decimals`` of the samples.
    """

    name: str
    ar: tuple[float, ...] = ()
    effect: float = 0.0
    samples: int = 150
    shocks: str = "normal"
    missing: float = 0.0
    outage: int = 0
    white: float = 0.0
    drift: float = 0.0
    drift_s: float = 600.0
    after: float = 1.0
    tau_s: float = 0.0
    decimals: int = 6


def ar1(phi: float, **more: Any) -> Cell:
    return Cell(name=more.pop("name", f"AR(1), phi {phi:g}"), ar=(phi,), **more)


OSCILLATING: Final = (2 * 0.95 * float(np.cos(2 * np.pi / 10)), -(0.95**2))
"""A pair of roots at 0.95: noise that swings with a period of 10 ticks."""

PHIS: Final = (0.0, 0.6, 0.9, 0.98)

CORE: Final = tuple(ar1(phi, effect=effect) for phi in PHIS for effect in (0.0, 0.02))
"""What is promised: 93 to 97 % up to phi .9, at least 92 % at .98."""

FURTHER: Final = (
    *(ar1(phi, samples=145, name=f"AR(1), phi {phi:g}, 145 samples a side") for phi in PHIS),
    *(ar1(phi, missing=0.2, name=f"phi {phi:g}, 20 % of samples missing") for phi in PHIS),
    ar1(0.9, outage=40, name="phi 0.9, 8 s in a row missing in each window"),
    *(ar1(phi, shocks="t3", name=f"phi {phi:g}, shocks of Student's t(3)") for phi in PHIS),
    ar1(0.9, after=2.0, name="phi 0.9, twice the deviation after the change"),
    ar1(0.9, decimals=3, name="phi 0.9, three decimals"),
    *(
        ar1(0.9, effect=size, tau_s=5.0, name=f"phi 0.9, a change by {size:g} that settles in 5 s")
        for size in (0.02, 0.1)
    ),
    Cell(name="AR(2), swings of 2 s", ar=OSCILLATING),
    Cell(name="AR(2), .6 and .3", ar=(0.6, 0.3)),
    ar1(0.9, white=0.2, name="phi 0.9, a fifth of the variance white noise on top"),
    ar1(0.9, drift=0.05, name="phi 0.9, on a sine of 10 min as large as the noise"),
)
"""What else loops do; the last four break the model. At least 92 % is wanted."""

BEYOND: Final = (
    ar1(0.995, name="phi 0.995: a memory of 40 s in windows of 30 s"),
    ar1(0.98, samples=50, name="phi 0.98: a memory of 10 s in windows of 10 s"),
    ar1(0.95, white=0.5, name="phi 0.95, half of the variance white noise on top"),
    ar1(0.98, white=0.2, name="phi 0.98, a fifth of the variance white noise on top"),
)
"""Where the intervals do not hold what they say."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Of one way to make intervals: share that held the truth, median width, share that excluded 0."""

    covered: float
    width: float
    found: float


def simulated(cell: Cell, events: int, seed: int) -> tuple[list[Pair], Floats]:
    """The windows of ``events`` changes, and the true Δ, float64[events, 4]; each signal is a series of its own."""
    if cell.tau_s:
        return _settling(cell, events, seed)
    rng = np.random.default_rng(seed)
    ticks, columns = 2 * cell.samples + GAP, events * len(SIGNALS)
    values = 0.5 + _noise(cell, rng, ticks, columns)
    if cell.drift:
        turn = 2 * np.pi * np.arange(ticks)[:, None] / (cell.drift_s * RATE_HZ)
        values += cell.drift * np.sin(turn + rng.uniform(0, 2 * np.pi, columns))
    first = cell.samples + GAP
    values[first:] = 0.5 + (values[first:] - 0.5) * cell.after + cell.effect
    values = values.round(cell.decimals).reshape(ticks, events, len(SIGNALS))
    kept = rng.random((ticks, events)) >= cell.missing
    if cell.outage:
        for event, begins in enumerate(rng.integers(0, cell.samples - cell.outage + 1, (events, 2)).tolist()):
            for window, begin in zip((0, first), begins, strict=True):
                kept[window + begin : window + begin + cell.outage, event] = False
    ts = START_US + np.arange(ticks, dtype=np.int64) * period_us(RATE_HZ)
    pairs = []
    for event in range(events):
        block = Block(ts[kept[:, event]], values[kept[:, event], event])
        pairs.append((block.slice(ts[0], ts[cell.samples]), block.slice(ts[first], ts[-1] + 1)))
    return pairs, np.full((events, len(SIGNALS)), cell.effect)


def ours(pairs: Sequence[Pair], effects: Floats) -> Tally:
    """The intervals that effects carry."""
    found = differences(pairs, RATE_HZ, LEVEL)
    bounds = [[(one.lo, one.hi) if one else (np.nan, np.nan) for one in event.values()] for event in found]
    return _tally(np.array(bounds), effects)


def naive(pairs: Sequence[Pair], effects: Floats) -> Tally:
    """Student's t interval for independent samples with one variance."""
    return _tally(np.array([_independent(pre.values, post.values) for pre, post in pairs]), effects)


def filtered(pairs: Sequence[Pair], effects: Floats) -> Tally:
    """The same after the display filters: outlier mask, then exponential smoothing."""

    def shown(values: Floats) -> Floats:
        return ema(values[iqr_mask(values)], EffectOptions().ema_alpha)

    bounds = [
        [_independent(shown(pre.values[:, s]), shown(post.values[:, s])) for s in range(len(SIGNALS))]
        for pre, post in pairs
    ]
    return _tally(np.array(bounds), effects)


WAYS: Final[Mapping[str, Callable[[Sequence[Pair], Floats], Tally]]] = {
    "ours": ours,
    "naive": naive,
    "filtered": filtered,
}


def _tally(bounds: Floats, effects: Floats) -> Tally:
    low, high = bounds[..., 0], bounds[..., 1]
    return Tally(
        covered=float(((low <= effects) & (effects <= high)).mean()),
        width=float(np.median(high - low)),
        found=float(((low > 0) | (high < 0)).mean()),
    )


def _independent(pre: Floats, post: Floats) -> Floats:
    free = len(pre) + len(post) - 2
    variance = (pre.var(axis=0) * len(pre) + post.var(axis=0) * len(post)) / free
    reach = stdtrit(free, 0.5 + LEVEL / 2) * np.sqrt(variance * (1 / len(pre) + 1 / len(post)))
    delta = post.mean(axis=0) - pre.mean(axis=0)
    bounds: Floats = np.stack([delta - reach, delta + reach], axis=-1)
    return bounds


def _noise(cell: Cell, rng: np.random.Generator, ticks: int, columns: int) -> Floats:
    shape = (BURN + ticks, columns)
    # A t(3) variate has the variance 3.
    shocks = rng.standard_t(3, shape) / np.sqrt(3) if cell.shocks == "t3" else rng.standard_normal(shape)
    poly = np.array([1.0, *(-c for c in cell.ar)])
    impulse = lfilter([1.0], poly, np.eye(1, 20_000)[0])
    series = lfilter([1.0], poly, shocks, axis=0)[BURN:] / np.sqrt((impulse**2).sum())
    on_top = rng.standard_normal((ticks, columns)) if cell.white else 0.0
    noise: Floats = SD * (np.sqrt(1 - cell.white) * series + np.sqrt(cell.white) * on_top)
    return noise


def _settling(cell: Cell, events: int, seed: int) -> tuple[list[Pair], Floats]:
    """The reference plant: its response is slow, and its truth is the expected Δ of the tracker's windows."""
    options = EffectOptions()
    at = START_US + 60 * US
    moment = from_us(at)
    change = RuleEvent(
        event_id="ev-1", loop="main", seq=1, ts=moment, actor="proof", rule="rule", old=0.0, new=1.0, applied_at=moment
    )
    gains = {"rule": dict.fromkeys(SIGNALS, cell.effect)}
    windows = around(at, options)
    pairs, effects = [], []
    for number in range(events):
        plant = PlantOptions(
            base=dict.fromkeys(SIGNALS, 0.5), phi=cell.ar[0], sd=SD, tau_s=cell.tau_s, gains=gains, seed=seed + number
        )
        pairs.append(windows.split(simulate(plant, [change], *windows.span, RATE_HZ)))
        effects.append(list(truth(plant, [change], change, options, RATE_HZ).values()))
    return pairs, np.array(effects)
