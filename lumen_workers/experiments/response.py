"""How quickly a loop answers to a switch: its time constant, from the switches of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.experiments import Period
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import SIGNALS

_CLEAR = 4.0


def time_constants(store: Store, loop: str, periods: Sequence[Period], period_s: float) -> dict[str, float | None]:
    """Signal → τ in seconds; None where the switches do not show it.

    The responses to all switches, per unit of the rule's change, are averaged second by second. With a step response
    1 − exp(−t/τ) the area that is missing to the final level is τ. None when the final level is not clear of its
    scatter from switch to switch (four standard errors), or with fewer than three switches.
    """
    seconds = int(period_s)
    curves: list[np.ndarray[tuple[int, int], np.dtype[np.float64]]] = []
    for before, after in pairwise(periods):
        step = after.value - before.value
        if after.event_id is None or after.began is None or not step or before.means is None:
            continue
        start = to_us(after.began)
        block = store.samples.window(loop, start, start + seconds * US)
        place = (block.ts - start) // US
        counts = np.bincount(place, minlength=seconds)
        if not counts.all():
            continue
        sums = np.stack(
            [np.bincount(place, block.values[:, n], minlength=seconds) for n in range(len(SIGNALS))], axis=1
        )
        level = np.array([before.means[name] for name in SIGNALS])
        curves.append((sums / counts[:, None] - level) / step)
    out: dict[str, float | None] = dict.fromkeys(SIGNALS)
    if len(curves) < 3:
        return out
    stack = np.stack(curves)
    half = seconds // 2
    finals = stack[:, half:].mean(axis=1)
    for column, name in enumerate(SIGNALS):
        final = float(finals[:, column].mean())
        error = float(finals[:, column].std(ddof=1)) / np.sqrt(len(curves))
        if abs(final) <= _CLEAR * error:
            continue
        mean = stack[:, :half, column].mean(axis=0) / final
        out[name] = round(max(float((1.0 - mean).sum()), 0.0), 3)
    return out
