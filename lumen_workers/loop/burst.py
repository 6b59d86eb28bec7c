"""One burst: the deadline loop, and what it reports. Nothing here waits for the store or the disk."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from lumen_workers.domain.clock import US, Clock
from lumen_workers.loop.anchor import Anchor
from lumen_workers.loop.held import Held
from lumen_workers.loop.throttle import Throttle

_LONGEST_WAIT_S = 0.25

_throttle = Throttle(logging.getLogger(__name__))


class Ending(StrEnum):
    """Why a burst ended."""

    IDLE = "idle"
    """There was no loop to sample here, or the lane is draining."""
    HANDED_OVER = "handed over"
    """A later burst of the same lane samples on."""
    LOST = "lost"
    """Other workers hold every loop now."""
    STOPPED = "stopped"
    DRAINED = "drained"
    """No successor came while the lane was draining."""
    EXPIRED = "expired"
    """No successor came for the longest time that a burst may take."""


@dataclass(frozen=True, kw_only=True)
class LoopReport:
    """What a burst did for one loop.

    ``samples`` taken, ticks ``skipped`` (a whole period late), rows ``dropped`` (a value not finite or not in [0, 1]),
    reads that raised (``faults``), samples ``spooled`` and ``discarded`` (spool full); how late ticks fired, in ms.
    """

    samples: int
    skipped: int
    dropped: int
    faults: int
    spooled: int
    discarded: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, kw_only=True)
class BurstReport:
    """What a burst did: why it ended, how long it sampled, and each loop by name."""

    ending: Ending
    seconds: float = 0.0
    loops: Mapping[str, LoopReport] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ending": self.ending.value,
            "seconds": round(self.seconds, 3),
            "loops": {name: asdict(report) for name, report in self.loops.items()},
        }


class Mark:
    """Where a loop's counters stood when a burst began."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._counts = asdict(held.counts)
        self._ticks = held.lateness.count

    def report(self) -> LoopReport:
        """What has happened since."""
        late = self._held.lateness.stats(self._ticks)
        counts = {name: now - self._counts[name] for name, now in asdict(self._held.counts).items()}
        return LoopReport(**counts, p50_ms=late.p50_ms, p99_ms=late.p99_ms, max_ms=late.max_ms)


def drive(
    loops: Iterable[Held], anchor: Anchor, clock: Clock, wake: threading.Event, ending: Callable[[], Ending | None]
) -> Ending:
    """Fire the ticks of ``loops`` on their grids until ``ending`` says why to stop, or every loop is lost.

    ``ending`` is asked after each tick, whenever ``wake`` is set, and at least four times a second; it must not block.
    A lost loop is sampled on for OVERLAP_S, then retired and its source closed.
    """
    due: list[tuple[int, str, Held]] = []
    now = anchor.now_us(clock)
    for held in loops:
        held.align(now)
        heapq.heappush(due, (held.due_us, held.spec.name, held))
    reason: Ending | None = None
    while due and reason is None:
        at, name, held = due[0]
        wait = (at - anchor.now_us(clock)) / US
        if held.over(clock.monotonic()):
            retire(heapq.heappop(due)[2])
        elif wait > 0:
            wake.wait(min(wait, _LONGEST_WAIT_S))
            wake.clear()
        else:
            _fire(held, anchor.now_us(clock))
            heapq.heapreplace(due, (held.due_us, name, held))
        reason = ending()
    return reason or Ending.LOST


def retire(held: Held) -> None:
    """Fire no more ticks of this loop, and close its source."""
    held.retired = True
    with _throttle.contain(f"close {held.spec.name}", f"the source of loop {held.spec.name} did not close"):
        held.source.close()


def _fire(held: Held, now_us: int) -> None:
    # One loop's broken source must not stop the others: the tick stays missing.
    with _throttle.contain(f"read {held.spec.name}", f"the source of loop {held.spec.name} failed") as reading:
        held.fire(now_us)
    if reading.error is not None:
        held.counts.faults += 1
