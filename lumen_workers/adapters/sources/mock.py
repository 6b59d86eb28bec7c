"""The synthetic loop of S02: four curves over t with uniform noise, three decimals.

t is the seconds since the loop's first sample. A source opened with no sample stored starts at its first tick; one
that goes on behind a stored sample asks the store for the first one. The noise depends on seed and tick only.
"""

from __future__ import annotations

import math

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.options import MockOptions
from lumen_workers.adapters.sources.polled import PolledSource, Tick
from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import Reading, grid_index
from lumen_workers.loop.noise import uniform

_RETRY_S = 0.25
_AMPLITUDE = (0.02, 0.01, 0.01, 0.01)


class MockSource(PolledSource):
    """``mock``."""

    def __init__(self, spec: LoopSpec, options: MockOptions, store: Store) -> None:
        super().__init__(spec)
        self._seed = options.seed
        self._store = store
        self._origin_us: int | None = None

    def _start(self) -> None:
        self._origin_us = None
        if self._last_us is not None:
            self._thread = Background(f"mock-{self._spec.name}", self._ask)

    def _ask(self) -> float | None:
        if self._origin_us is not None:
            return None
        try:
            span = self._store.samples.span(self._spec.name)
        except LumenError as err:
            self._problems.note("store", f"cannot tell when the loop began: {err}")
            return _RETRY_S
        self._origin_us = span[0] if span else self._last_us
        return None

    def _measure(self, tick: Tick) -> Reading | None:
        if self._origin_us is None:
            if self._thread is not None:
                return None
            self._origin_us = tick.us
        noise = 2.0 * uniform(self._seed, grid_index(tick.us, self._spec.rate_hz), 1)[0] - 1.0
        values = curves((tick.us - self._origin_us) / US)
        return Reading(
            *(
                round(min(max(value + a * float(u), 0.0), 1.0), 3)
                for value, a, u in zip(values, _AMPLITUDE, noise, strict=True)
            )
        )


def curves(t: float) -> tuple[float, float, float, float]:
    """The S02 formulas without noise; ``t`` in seconds."""
    return (
        0.5 * (1.0 + math.sin(2.0 * math.pi * 0.2 * t)) * math.exp(-t / 120.0),
        0.2 + 0.15 * math.exp(-t / 90.0),
        0.2 + 0.1 * (1.0 - math.exp(-t / 180.0)),
        0.4 * math.exp(-t / 150.0),
    )
