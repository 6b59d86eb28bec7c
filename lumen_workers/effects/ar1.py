"""AR(1) noise about two window means, for many events at once: what the samples say of phi, and what phi says of Δ.

The model of one signal: a mean in each window, plus stationary noise whose correlation over k ticks is phi^k, through
missing ticks and the gap between the windows alike. For one phi the whitened transitions
(y_i − phi^k·y_j) / √(1 − phi^2k) are independent, so sums over the transitions of equal lag k are all that a
likelihood needs: no series is gone through once for each phi.

Sources. Restricted likelihood: Harville, J. Am. Stat. Assoc. 72 (1977) 320. AR(1) with missing observations: Jones,
Technometrics 22 (1980) 389.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PHI_MIN: Final = -0.9
"""Where the grid of phi begins; it ends short of 1."""

POINTS: Final = 96
"""Points of the grid for a few hundred samples; more samples get 2, 4, 8 … times as many, to MOST."""

MOST: Final = 1536

_PRE, _POST, _ACROSS, _FIRST = range(4)
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of E events in a row: of each event the pre window, then the post window.

    ``tick`` is int64[n], numbers of ticks on the loop's grid, ascending within an event; ``values`` is float64[n, S]
    less the mean of their window; ``counts`` is int64[E, 2], samples a window, each at least 2.
    """

    tick: Ints
    values: Floats
    counts: Ints


def points(samples: Ints) -> Ints:
    """How many points of phi the events with these numbers of ``samples`` need.

    In arcsin phi an estimate of phi scatters by 1/√samples wherever phi lies: a step of the grid is no longer.
    """
    needed = (math.pi / 2 - math.asin(PHI_MIN)) * np.sqrt(samples) / POINTS
    doublings = np.ceil(np.log2(np.maximum(needed, 1.0)))
    found: Ints = np.minimum(POINTS * 2**doublings, MOST).astype(np.int64)
    return found


def grid(count: int) -> Floats:
    """``count`` points of phi, evenly spaced in arcsin phi."""
    low, high = math.asin(PHI_MIN), math.pi / 2
    found: Floats = np.sin(low + (high - low) * (np.arange(count) + 0.5) / count)
    return found


def likelihood(series: Series, phi: Floats) -> tuple[Floats, Floats]:
    """The probability of each point of ``phi``, and the noise's variance there: both float64[E, S, G].

    Probability: the restricted likelihood, summing to 1, with every phi as likely as every other beforehand. Its log
    is −½·log|V| − ½·log|XᵀV⁻¹X| − (n − 2)/2·log r, where V are the noise's correlations, X has the windows as
    columns, and r is the weighted sum of squares about the GLS means. Variance: r/(n − 2), stationary.
    """
    groups = _Groups.of(series)
    rho = np.where(groups.kind[:, None] == _FIRST, 0.0, powers(phi, groups.lag))
    white = 1.0 / (1.0 - rho * rho)
    kind = groups.kind[:, None]
    before = np.select([kind == _POST, kind == _ACROSS], [np.zeros_like(rho), -rho], 1.0 - rho)
    after = np.select([kind == _POST, kind == _ACROSS], [1.0 - rho, np.ones_like(rho)], np.zeros_like(rho))

    def total(terms: Floats) -> Floats:
        summed: Floats = np.add.reduceat(terms, groups.start, axis=0)
        return summed

    many = groups.count[:, None] * white
    a, b, c = total(many * before * before), total(many * before * after), total(many * after * after)
    log_v = -total(groups.count[:, None] * np.log(white))
    yy = total(
        groups.new2[:, :, None] * white[:, None]
        - groups.cross[:, :, None] * (2 * rho * white)[:, None]
        + groups.old2[:, :, None] * (rho * rho * white)[:, None]
    )
    shock = groups.new[:, :, None] * white[:, None] - groups.old[:, :, None] * (rho * white)[:, None]
    x, y = total(before[:, None] * shock), total(after[:, None] * shock)
    det = a * c - b * b
    rest = yy - (c[:, None] * x * x - 2 * b[:, None] * x * y + a[:, None] * y * y) / det[:, None]
    np.maximum(rest, _TINY, out=rest)
    free = series.counts.sum(axis=1)[:, None, None] - 2.0
    # Points lie evenly in arcsin phi: each stands for a stretch of phi of √(1 − phi²).
    log = 0.5 * np.log1p(-phi * phi) - 0.5 * ((log_v + np.log(det))[:, None] + free * np.log(rest))
    weight = np.exp(log - log.max(axis=2, keepdims=True))
    weight /= weight.sum(axis=2, keepdims=True)
    return weight, rest / free


def spread(series: Series, phi: Floats) -> tuple[Floats, Floats]:
    """For noise of variance 1: the variance of Δ, and the effective number of samples, both float64[E, G].

    Δ = mean(post) − mean(pre). The effective number of a window, n²/ΣΣ phi^|i−j|, is that of independent samples
    whose mean scatters as much; the two windows' are added.
    """
    counts = series.counts
    inside, forward, backward = _window_sums(series, phi)
    gap = _lags(series)[np.cumsum(counts.sum(axis=1)) - counts[:, 1]]
    shared = forward[0::2] * powers(phi, gap) * backward[1::2]
    pre, post = counts[:, :1], counts[:, 1:]
    delta = inside[0::2] / pre**2 + inside[1::2] / post**2 - 2 * shared / (pre * post)
    return delta, pre**2 / inside[0::2] + post**2 / inside[1::2]


def powers(phi: Floats, lag: Ints) -> Floats:
    """``phi ** lag``, float64[len(lag), G]; each distinct lag is raised once."""
    known, place = np.unique(lag, return_inverse=True)
    raised: Floats = np.power(phi[None, :], known[:, None].astype(np.float64))[place]
    return raised


@dataclass(frozen=True, slots=True)
class _Groups:
    """Sums over the transitions of one event, kind and lag; ``start`` is the first group of each event.

    ``new`` and ``old`` sum the later and the earlier sample, ``new2`` and ``old2`` their squares, ``cross`` their
    products: float64[groups, S]. An event's first sample is a transition from nothing (lag 0, ``old`` 0).
    """

    start: Ints
    kind: Ints
    lag: Ints
    count: Floats
    new: Floats
    old: Floats
    new2: Floats
    old2: Floats
    cross: Floats

    @classmethod
    def of(cls, series: Series) -> _Groups:
        sizes = series.counts.sum(axis=1)
        event = np.repeat(np.arange(len(sizes)), sizes)
        first = np.cumsum(sizes) - sizes
        window = np.repeat(np.tile([_PRE, _POST], len(sizes)), series.counts.ravel())
        lag, kind = _lags(series), window
        kind[first + series.counts[:, 0]] = _ACROSS
        kind[first] = _FIRST
        lag[first] = 0
        new, old = series.values, np.roll(series.values, 1, axis=0)
        old[first] = 0.0
        reach = int(lag.max()) + 1
        key, group = np.unique((event * 4 + kind) * reach + lag, return_inverse=True)

        def summed(terms: Floats) -> Floats:
            return np.stack([np.bincount(group, column, len(key)) for column in terms.T], axis=1)

        return cls(
            start=np.searchsorted(key // reach // 4, np.arange(len(sizes))),
            kind=key // reach % 4,
            lag=key % reach,
            count=np.bincount(group, minlength=len(key)).astype(np.float64),
            new=summed(new),
            old=summed(old),
            new2=summed(new * new),
            old2=summed(old * old),
            cross=summed(new * old),
        )


def _lags(series: Series) -> Ints:
    """Ticks from the sample before, at least 1 (two samples of one tick count as neighbours); the first has 1."""
    lag: Ints = np.maximum(np.diff(series.tick, prepend=series.tick[:1]), 1)
    return lag


def _window_sums(series: Series, phi: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each window w, in turn pre and post, float64[2E, G]: ΣΣ phi^|i−j| over its ticks, Σ phi^(last − i), and
    Σ phi^(i − first).

    Samples without a missing tick between them are a run, whose sums are geometric; one step for each run.
    """
    lag = _lags(series)
    sizes = series.counts.ravel()
    opens = np.cumsum(sizes) - sizes
    fresh = lag != 1
    fresh[opens] = True
    at = np.flatnonzero(fresh)
    window = np.repeat(np.arange(len(sizes)), sizes)[at]
    length = np.diff(at, append=len(lag))
    runs = np.bincount(window, minlength=len(sizes))
    order = np.arange(len(at)) - np.repeat(np.cumsum(runs) - runs, runs)
    away = np.where(order == 0, 0, lag[at])

    shape = (len(sizes), len(phi))
    inside, forward, backward = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    since = np.ones(shape)
    for step in range(int(runs.max())):
        chosen = order == step
        # Most windows have few runs: the later steps touch only those that go on.
        rows, span, lead = window[chosen], length[chosen], powers(phi, away[chosen])
        tail = powers(phi, span)
        end = powers(phi, span - 1)
        ones = (1.0 - tail) / (1.0 - phi)
        alone = (span[:, None] * (1.0 - phi * phi) - 2.0 * phi * (1.0 - tail)) / (1.0 - phi) ** 2
        reached = forward[rows] * lead
        inside[rows] += alone + 2.0 * reached * ones
        forward[rows] = reached * end + ones
        since[rows] *= lead
        backward[rows] += since[rows] * ones
        since[rows] *= end
    return inside, forward, backward
