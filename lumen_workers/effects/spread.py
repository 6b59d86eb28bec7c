"""How much a difference of two window means scatters under AR(1) noise, for many events at once."""

from __future__ import annotations

import numpy as np

from lumen_workers.effects.series import Floats, Series, powers


def spread(series: Series, phi: Floats) -> tuple[Floats, Floats]:
    """For noise of variance 1: the variance of Δ, and the effective number of samples, both float64[E, G].

    Δ = mean(post) − mean(pre). The effective number of a window, n²/ΣΣ phi^|i−j|, is that of independent samples
    whose mean scatters as much; the two windows' are added.
    """
    counts = series.counts
    inside, forward, backward = _window_sums(series, phi)
    first, last = series.ends()
    shared = forward[0::2] * powers(phi, first[1::2] - last[0::2]) * backward[1::2]
    pre, post = counts[:, :1], counts[:, 1:]
    delta = inside[0::2] / pre**2 + inside[1::2] / post**2 - 2 * shared / (pre * post)
    return delta, pre**2 / inside[0::2] + post**2 / inside[1::2]


def _window_sums(series: Series, phi: Floats) -> tuple[Floats, Floats, Floats]:
    """Of each window w, in turn pre and post, float64[2E, G]: ΣΣ phi^|i−j| over its ticks, Σ phi^(last − i), and
    Σ phi^(i − first).

    Samples without a missing tick between them are a run, whose sums are geometric; one step for each run.
    """
    # Two samples of one tick count as neighbours.
    lag = np.maximum(np.diff(series.tick, prepend=series.tick[:1]), 1)
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
