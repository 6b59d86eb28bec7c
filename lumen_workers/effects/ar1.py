"""AR(1) noise about two window means, for many events at once: what the samples say of phi, and what phi says of Δ.

The model of one signal: a mean in each window, plus stationary noise whose correlation over k ticks is phi^k, through
missing ticks and the gap between the windows alike. Δ is the plain difference of the means, and its variance for one
phi is summed over the ticks. What phi is, however, is read from the means of *blocks* of up to a second, whose
covariances AR(1) noise determines as well: that is what the long run depends on, and what happens within a second
(a sensor's own white noise, rounding, a fast swing) cannot pass for a short memory.

Sources. Restricted likelihood: Harville, J. Am. Stat. Assoc. 72 (1977) 320. Means of blocks: Amemiya & Wu, J. Am.
Stat. Assoc. 67 (1972) 628. Factorisation: Foreman-Mackey et al., Astron. J. 154 (2017) 220, section 3, with one term.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen_workers.effects.series import Floats, Ints, Series, powers

PHI_MIN: Final = -0.7
"""Where the grid of phi begins; it ends short of 1. Further down, independent samples that happen to alternate would
get much narrower intervals than independent samples deserve."""

POINTS: Final = 72
"""Points of the grid for a few hundred samples; more samples get 2, 4, 8 … times as many, to MOST."""

MOST: Final = 1024

BLOCKS: Final = 25
"""A block is a second, or shorter: so that the shorter window holds this many."""

_TINY: Final = 1e-300


def points(samples: int) -> int:
    """How many points of phi an event with so many ``samples`` needs.

    In arcsin phi an estimate of phi scatters by 1/√samples or more, wherever phi lies: a step of the grid is no longer.
    """
    needed = (math.pi / 2 - math.asin(PHI_MIN)) * math.sqrt(samples) / POINTS
    doublings = math.ceil(math.log2(max(needed, 1.0)))
    return int(min(POINTS * 2**doublings, MOST))


def grid(count: int) -> Floats:
    """``count`` points of phi, evenly spaced in arcsin phi."""
    low, high = math.asin(PHI_MIN), math.pi / 2
    found: Floats = np.sin(low + (high - low) * (np.arange(count) + 0.5) / count)
    return found


def block_ticks(shorter: int, rate_hz: int) -> int:
    """The ticks of a block for windows of which the shorter one has so many ticks.

    An odd number: in an even one noise that alternates cancels, and two phi would have the same correlation of blocks.
    """
    return (min(max(shorter // BLOCKS, 1), rate_hz) - 1) // 2 * 2 + 1


def likelihood(series: Series, phi: Floats, ticks: int) -> tuple[Floats, Floats, Floats]:
    """The probability of each point of ``phi`` and the noise's variance there, both float64[E, S, G], from blocks of
    ``ticks``; and the degrees of freedom, float64[E].

    Probability: the restricted likelihood, summing to 1, with every correlation of neighbouring blocks as likely as
    every other beforehand. Its log is −½·log|V| − ½·log|XᵀV⁻¹X| − (m − 2)/2·log r, where V are the covariances of the
    m blocks for noise of variance 1, X has the windows as columns, and r is the weighted sum of squares about the GLS
    means. Variance: r/(m − 2).
    """
    blocks = _Blocks.of(series, ticks)
    log_v, (a, b, c), (x, y), yy = _whitened(blocks, phi, ticks)
    det = a * c - b * b
    rest = yy - (c[:, None] * x * x - 2 * b[:, None] * x * y + a[:, None] * y * y) / det[:, None]
    np.maximum(rest, _TINY, out=rest)
    free = (blocks.count > 0).sum(axis=1) - 2.0
    own, neighbour, _ = _covariances(phi, ticks)
    # A point of the grid stands for the stretch of correlations between it and its neighbours.
    prior = np.log(np.maximum(np.gradient(neighbour / own), _TINY))
    log = prior - 0.5 * ((log_v + np.log(det))[:, None] + free[:, None, None] * np.log(rest))
    chance = np.exp(log - log.max(axis=2, keepdims=True))
    chance /= chance.sum(axis=2, keepdims=True)
    return chance, rest / np.maximum(free, 1.0)[:, None, None], free


def _whitened(blocks: _Blocks, phi: Floats, ticks: int) -> tuple[Floats, Floats, Floats, Floats]:
    """log|V| float64[E, G]; of XᵀV⁻¹X the corners pre-pre, pre-post and post-post, float64[3, E, G]; XᵀV⁻¹y
    float64[2, E, S, G]; yᵀV⁻¹y float64[E, S, G].

    Blocks j < i have the covariance neighbour·decay^(i−j−1), so V = L·D·Lᵀ, where below its diagonal L is
    neighbour·decay^(i−j−1)·gain_j: one pass over the blocks, for all events, signals and phi together.
    """
    own, neighbour, decay = _covariances(phi, ticks)
    # A block that lacks ticks averages fewer samples, which are as alike as in a whole one.
    alike = (own - 1 / ticks) / (1 - 1 / ticks) if ticks > 1 else np.zeros_like(phi)
    events, width, signals = blocks.mean.shape
    shape = (events, len(phi))
    log_v, info = np.zeros(shape), np.zeros((3, *shape))
    yy = np.zeros((events, signals, len(phi)))
    xy = np.zeros((2, *yy.shape))
    # What the blocks before tell of the next: of its variance, of its mean, of the columns of X.
    told, told_y, told_x = np.zeros(shape), np.zeros_like(yy), np.zeros((2, *shape))
    for place in range(width):
        post = place >= blocks.first_post
        if place == blocks.first_post:
            across = powers(phi, blocks.between)
            told, told_y, told_x = told * across * across, told_y * across[:, None], told_x * across
        count = blocks.count[:, place, None]
        there = count > 0
        variance = alike + (1.0 - alike) / np.clip(count, 1, ticks) - neighbour * neighbour * told
        weight = np.where(there, 1.0 / variance, 0.0)
        gain = (1.0 - decay * neighbour * told) * weight
        y = blocks.mean[:, place, :, None] - neighbour * told_y
        x = np.array([not post, post], np.float64)[:, None, None] - neighbour * told_x
        log_v += np.where(there, np.log(variance), 0.0)
        info += weight * np.stack([x[0] * x[0], x[0] * x[1], x[1] * x[1]])
        weighted = y * weight[:, None]
        yy += weighted * y
        xy += weighted * x[:, :, None]
        told = decay * decay * told + gain * gain * variance
        told_y = decay * told_y + gain[:, None] * y
        told_x = decay * told_x + gain * x
    return log_v, info, xy, yy


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Means of blocks, those of the pre window counted back from its end, those of the post window from its start.

    ``mean`` is float64[E, K, S], ``count`` int64[E, K], 0 where an event has no such block; the post window begins
    at ``first_post``. ``between`` is int64[E], the ticks between the windows.
    """

    mean: Floats
    count: Ints
    first_post: int
    between: Ints

    @classmethod
    def of(cls, series: Series, ticks: int) -> _Blocks:
        sizes = series.counts.ravel()
        first, last = series.ends()
        window = np.repeat(np.arange(len(sizes)), sizes)
        post = window % 2 == 1
        place = np.where(post, series.tick - first[window], last[window] - series.tick) // ticks
        before = int(place[~post].max()) + 1
        place = np.where(post, before + place, before - 1 - place)
        width = int(place.max()) + 1
        key = window // 2 * width + place
        opens = np.flatnonzero(np.diff(key, prepend=-1))
        count = np.zeros((len(sizes) // 2) * width, np.int64)
        mean = np.zeros((len(count), series.values.shape[1]))
        count[key[opens]] = np.diff(opens, append=len(key))
        mean[key[opens]] = np.add.reduceat(series.values, opens, axis=0) / count[key[opens], None]
        return cls(
            mean=mean.reshape(-1, width, mean.shape[1]),
            count=count.reshape(-1, width),
            first_post=before,
            between=np.maximum(first[1::2] - last[0::2] - 1, 0),
        )


def _covariances(phi: Floats, ticks: int) -> tuple[Floats, Floats, Floats]:
    """For noise of variance 1: the variance of a block's mean, the covariance with the next block's, and the factor
    by which each further block has less."""
    decay = phi**ticks
    own = (ticks * (1 - phi * phi) - 2 * phi * (1 - decay)) / (ticks * (1 - phi)) ** 2
    neighbour = phi * ((1 - decay) / (ticks * (1 - phi))) ** 2
    return own, neighbour, decay
