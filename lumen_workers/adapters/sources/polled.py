"""Base of the sources that measure one row for each tick."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.problems import Problems
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import Block, Reading


class Tick(NamedTuple):
    """A tick at ``us`` (microseconds UTC), fired ``lateness_s`` seconds late."""

    us: int
    lateness_s: float


class PolledSource(ABC):
    """One row at the tick, or none: never a made-up one, never one at or before the last.

    What may block runs in ``_thread``, if a source has one; it lives from ``open`` to ``close``.
    """

    host_bound: bool = False

    def __init__(self, spec: LoopSpec) -> None:
        self._spec = spec
        self._problems = Problems(spec.name, spec.source)
        self._last_us: int | None = None
        self._thread: Background | None = None
        self._open = False

    def open(self, last_us: int | None) -> None:
        """Get ready; rows at or before ``last_us`` are not returned. An open source is closed first."""
        self.close()
        self._last_us = last_us
        self._start()
        self._open = True

    def read(self, tick_us: int, lateness_s: float) -> Block:
        """The row of the tick at ``tick_us``, or an empty block. Never blocks."""
        if not self._open or (self._last_us is not None and tick_us <= self._last_us):
            return Block.empty()
        reading = self._measure(Tick(tick_us, lateness_s))
        if reading is None:
            return Block.empty()
        self._last_us = tick_us
        return Block(np.array([tick_us], np.int64), np.array([reading], np.float64))

    def close(self) -> None:
        """Give everything back. A second call does nothing."""
        self._open = False
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def problems(self) -> dict[str, int]:
        """What went wrong since the source was made: kind → count."""
        return self._problems.counts()

    @abstractmethod
    def _start(self) -> None:
        """Get ready; ``_last_us`` is set."""

    @abstractmethod
    def _measure(self, tick: Tick) -> Reading | None:
        """The values of the tick, each in [0, 1]; None when they are not known."""
