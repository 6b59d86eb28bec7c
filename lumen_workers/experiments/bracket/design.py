"""The order of a bracket's periods, and how long it must be to tell anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.experiments.pace import Pace

ARMS: Final = ("A", "B")
MOST_PAIRS: Final = 10_000


def schedule(pairs: int, seed: int, order: Literal["randomised", "abab"] = "randomised") -> tuple[tuple[int, str], ...]:
    """(pair, arm) of each period; pairs count from 1.

    ``randomised``: a fair coin for each pair, from ``seed`` and the pair's number alone, says which arm comes first.
    ``abab``: A B A B … as the source had it.
    """
    out: list[tuple[int, str]] = []
    for pair in range(1, pairs + 1):
        turned = order == "randomised" and bool(np.random.Philox(key=seed, counter=pair).random_raw(1)[0] >> 63)
        out += [(pair, arm) for arm in (ARMS[::-1] if turned else ARMS)]
    return tuple(out)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What a loop does by itself: AR(1) with ``phi`` from tick to tick, ``sd`` the stationary standard deviation."""

    phi: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class Power:
    """``needed``: pairs with which a change of ``relevant`` is found with probability ``power``; None: over 10,000.

    ``mde``: the smallest change that the planned ``pairs`` find with that probability. Seconds without holds.
    """

    pairs: int
    mde: float
    needed: int | None
    duration_s: float
    needed_s: float | None
    relevant: float
    power: float


def noise_of(quiet: Block, rate_hz: int) -> dict[str, Noise | None]:
    """Signal → its noise in a stretch without rule changes; None with fewer than 100 samples.

    phi is the correlation of neighbouring ticks, corrected for its bias on short series, (n·r + 1)/(n − 3)
    (Marriott & Pope, Biometrika 41 (1954) 390; within 0 and 0.999); sd is corrected for the mean that the samples
    themselves gave.
    """
    out: dict[str, Noise | None] = dict.fromkeys(SIGNALS)
    n = len(quiet)
    if n < 100:
        return out
    neighbours = np.diff(quiet.ts) <= 1.5 * period_us(rate_hz)
    for column, name in enumerate(SIGNALS):
        x = quiet.values[:, column] - quiet.values[:, column].mean()
        variance = float((x * x).mean())
        if variance <= 0 or not neighbours.any():
            out[name] = Noise(phi=0.0, sd=0.0)
            continue
        r = float((x[1:] * x[:-1])[neighbours].mean()) / variance
        phi = min(max((n * r + 1) / (n - 3), 0.0), 0.999)
        shrunk = max(1.0 - mean_variance(phi, n), 0.05)
        out[name] = Noise(phi=phi, sd=math.sqrt(variance / shrunk))
    return out


def mean_variance(phi: float, n: int) -> float:
    """Variance of the mean of ``n`` neighbouring ticks of AR(1) noise, in units of its own variance."""
    return _between(phi, n, n, 0) if n else math.inf


def power(noise: Noise, pace: Pace, pairs: int, rate_hz: int, relevant: float, *, sought: float = 0.8) -> Power:
    """What ``pairs`` pairs can tell, by the paired t test at 5 %, and how many it takes for ``relevant``.

    A pair's difference has the variance 2·(v − c): v that of a period's mean after the washout, c the covariance of two
    neighbouring ones, one period apart. Power: noncentral t.
    """
    counted = max(1, round((pace.period_s - pace.washout_s) * rate_hz))
    apart = round(pace.period_s * rate_hz)
    v = mean_variance(noise.phi, counted)
    c = _between(noise.phi, counted, counted, apart)
    sd = noise.sd * math.sqrt(max(2 * (v - c), 0.0))
    needed = _needed(sd, relevant, sought)
    return Power(
        pairs=pairs,
        mde=sd * _detectable(pairs, sought),
        needed=needed,
        duration_s=2 * pairs * pace.period_s,
        needed_s=None if needed is None else 2 * needed * pace.period_s,
        relevant=relevant,
        power=sought,
    )


def tell(found: Mapping[str, Power], signal: str) -> str:
    """The plan in a sentence."""
    plan = found[signal]
    took = (
        f"{plan.pairs} pairs take {_minutes(plan.duration_s)}; a change of {signal} of {plan.mde:.3f} or more will be "
    )
    took += f"seen with {plan.power:.0%} probability"
    if plan.needed is None:
        return f"{took}; for {plan.relevant:g} no number of pairs is enough"
    if plan.needed <= plan.pairs:
        return took
    return f"{took}; for {plan.relevant:g} it takes {plan.needed} pairs ({_minutes(plan.needed_s or 0)})"


def _between(phi: float, n: int, m: int, apart: int) -> float:
    """Covariance of the means of n and m ticks whose first ticks lie ``apart`` ticks from each other."""
    lags: NDArray[np.int64] = np.arange(-(n - 1), m)
    counts = np.minimum(np.minimum(np.arange(1, n + m), n), np.minimum(m, np.arange(n + m - 1, 0, -1)))
    return float((counts * phi ** np.abs(lags + apart)).sum() / (n * m))


def _detectable(pairs: int, sought: float) -> float:
    """The mean difference, in standard deviations of a difference, that ``pairs`` pairs find."""
    low, high = 0.0, 1.0
    while _power(high, pairs) < sought:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle, pairs) < sought else (low, middle)
    return high


def _needed(sd: float, relevant: float, sought: float) -> int | None:
    if sd <= 0:
        return 2
    low, high = 2, MOST_PAIRS
    if _power(relevant / sd, high) < sought:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _power(relevant / sd, middle) < sought else (low, middle)
    return low


def _power(size: float, pairs: int) -> float:
    """Probability that the paired t test at 5 % finds a mean of ``size`` standard deviations."""
    from scipy.special import nctdtr, stdtrit

    df, centre = pairs - 1, size * math.sqrt(pairs)
    edge = float(stdtrit(df, 0.975))
    if centre > 30:
        return 1.0
    return float(1.0 - nctdtr(df, centre, edge) + nctdtr(df, centre, -edge))


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


__all__: Sequence[str] = ("ARMS", "Noise", "Power", "mean_variance", "noise_of", "power", "schedule", "tell")
