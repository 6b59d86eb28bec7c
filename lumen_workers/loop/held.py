"""A loop that this process samples: its open source, its lease, its next tick and what is not yet written."""

from __future__ import annotations

import threading
from array import array
from dataclasses import dataclass

import numpy as np

from lumen_workers.domain.ports import Source
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.runs import Lease
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.loop.lateness import Lateness

DECIMALS = 6
"""Stored values of live samples are rounded to this many decimals."""

OVERLAP_S = 2.0
"""How long a loop is sampled on after its loss was noticed: the new holder has the lease before its first tick."""

_BUFFER_S = 600


class Buffer:
    """Samples on their way from the deadline thread to the writer thread; bounded, 40 bytes a sample."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._ts = array("q")
        self._values = array("d")

    def put(self, block: Block) -> bool:
        """Add a block. False: it did not fit and is lost."""
        ts, values = block.ts.tobytes(), block.values.tobytes()
        with self._lock:
            if len(self._ts) + len(block) > self._limit:
                return False
            self._ts.frombytes(ts)
            self._values.frombytes(values)
        return True

    def take(self) -> Block:
        """Everything that was put since the last time, in that order."""
        with self._lock:
            ts, self._ts = self._ts, array("q")
            values, self._values = self._values, array("d")
        return Block(np.frombuffer(ts, np.int64), np.frombuffer(values, np.float64).reshape(-1, len(SIGNALS)))


@dataclass(kw_only=True)
class Counts:
    """What happened to a loop's ticks and samples; each field counts up and has one writing thread."""

    samples: int = 0
    skipped: int = 0
    dropped: int = 0
    faults: int = 0
    spooled: int = 0
    discarded: int = 0


class Held:
    """One loop in the lane. The deadline thread fires ticks; the writer thread renews ``lease`` and empties ``buffer``.

    ``lost_at``: when the writer noticed that another holder has the loop, by the monotonic clock. ``retired``: no tick
    will fire any more (set by the deadline thread); what is buffered is still to be written.
    """

    def __init__(self, spec: LoopSpec, source: Source, lease: Lease) -> None:
        self.spec = spec
        self.source = source
        self.lease = lease
        self.tick = 0
        self.period = period_us(spec.rate_hz)
        self.buffer = Buffer(spec.rate_hz * _BUFFER_S)
        self.lateness = Lateness(spec.rate_hz)
        self.counts = Counts()
        self.lost_at: float | None = None
        self.retired = False

    @property
    def lost(self) -> bool:
        """Whether another holder has the loop now."""
        return self.lost_at is not None

    def over(self, now_s: float) -> bool:
        """Whether it is lost and the new holder has had OVERLAP_S to begin; ``now_s`` by the monotonic clock."""
        return self.lost_at is not None and now_s >= self.lost_at + OVERLAP_S

    @property
    def due_us(self) -> int:
        """Store time of the next tick."""
        return self.tick * self.period

    def align(self, now_us: int) -> None:
        """Begin with the next tick; later, return to the present if the store's clock was set back."""
        if not self.lateness.count or self.due_us > now_us + self.period:
            self.tick = now_us // self.period + 1

    def fire(self, now_us: int) -> None:
        """Read the source for the tick that is due. What the source raises passes through; the tick is spent.

        A tick that is a whole period late is skipped for the present one: its time has passed, so it stays missing.
        """
        tick = self.tick
        if now_us - self.due_us >= self.period:
            tick = now_us // self.period
            self.counts.skipped += tick - self.tick
        self.tick = tick + 1
        tick_us = tick * self.period
        late_us = max(0, now_us - tick_us)
        self.lateness.add(tick_us, late_us)
        block = clean(raw := self.source.read(tick_us, late_us / 1_000_000))
        self.counts.dropped += len(raw) - len(block)
        if self.buffer.put(block):
            self.counts.samples += len(block)
        else:
            self.counts.discarded += len(block)


def clean(block: Block) -> Block:
    """The block without rows that have a value which is not finite or not in [0, 1]; rounded to DECIMALS."""
    values = block.values
    # A comparison with NaN is false, so this leaves out what is not finite too.
    good = ((values >= 0) & (values <= 1)).all(axis=1)
    if good.all():
        return Block(block.ts, values.round(DECIMALS))
    return Block(block.ts[good], values[good].round(DECIMALS))
