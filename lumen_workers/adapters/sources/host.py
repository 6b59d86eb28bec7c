"""This machine as a loop.

- phase_diff: how late the tick fired, as a share of the period.
- entropy_rate: Shannon entropy of the cores' busy shares, divided by its maximum ln(cores). 0 on one core or when
  all are idle.
- creative_band: idle headroom, the share of processor time that was idle or waiting for I/O.
- risk_band: the largest of the used shares of memory, swap and the home's disk and, where the kernel offers it, the
  pressure-stall shares ("some avg10") of cpu, memory and io.

The kernel counts processor time in ticks of 10 ms, so the second and third signals are taken over a sliding window
of one second (since the opening, until that is a second old). What risk_band needs changes slowly and may block (a
disk): a thread refreshes it once a second, and when it has been stuck for 10 s the row is missing.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from lumen_workers.adapters.sources.background import Background
from lumen_workers.adapters.sources.polled import PolledSource, Tick
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import Reading

WINDOW_S = 1.0
_REFRESH_S = 1.0
_STALE_S = 10.0


class Cores(NamedTuple):
    """Processor seconds since boot, float64[cores]."""

    at: float
    busy: NDArray[np.float64]
    total: NDArray[np.float64]


class HostSource(PolledSource):
    """``host``: psutil. Bound to its machine."""

    host_bound = True

    def __init__(self, spec: LoopSpec, home: Path) -> None:
        super().__init__(spec)
        self._home = home
        self._cores: deque[Cores] = deque()
        self._risk: tuple[float, float] | None = None

    def _start(self) -> None:
        self._cores = deque([read_cores()])
        self._refresh()
        self._thread = Background(f"host-{self._spec.name}", self._refresh)

    def _refresh(self) -> float:
        self._risk = (time.monotonic(), max(shares(self._home)))
        return _REFRESH_S

    def _measure(self, tick: Tick) -> Reading | None:
        now = read_cores()
        window = self._cores
        if len(window[-1].busy) != len(now.busy):
            window.clear()  # a core came or went: the deltas mean nothing
        while len(window) > 1 and window[1].at <= now.at - WINDOW_S:
            window.popleft()
        window.append(now)
        busy = np.maximum(now.busy - window[0].busy, 0.0)
        total = float((now.total - window[0].total).sum())
        if total <= 0:
            self._problems.note("cpu", "no processor time has been counted yet")
            return None
        if self._risk is None or time.monotonic() - self._risk[0] > _STALE_S:
            self._problems.note("stuck", "memory and disk could not be read for 10 s")
            return None
        phase = min(max(tick.lateness_s * self._spec.rate_hz, 0.0), 1.0)
        idle = min(max(1.0 - float(busy.sum()) / total, 0.0), 1.0)
        return Reading(phase, normalised_entropy(busy), idle, self._risk[1])


def read_cores() -> Cores:
    """The processors' counters now. ``user`` holds the guests' time already; idle is idle and waiting for I/O."""
    times = psutil.cpu_times(percpu=True)
    at = time.monotonic()
    total = np.array([sum(t) - getattr(t, "guest", 0.0) - getattr(t, "guest_nice", 0.0) for t in times])
    idle = np.array([t.idle + getattr(t, "iowait", 0.0) for t in times])
    return Cores(at, total - idle, total)


def normalised_entropy(weights: NDArray[np.float64]) -> float:
    """Shannon entropy of ``weights`` (≥ 0) as shares, divided by ln(n): in [0, 1]; 0 for n = 1 or all zero."""
    whole = float(weights.sum())
    if len(weights) < 2 or whole <= 0:
        return 0.0
    p = weights / whole
    p = p[p > 0]
    return min(max(0.0, float(-(p * np.log(p)).sum()) / math.log(len(weights))), 1.0)


def shares(home: Path) -> Iterator[float]:
    """Used shares in [0, 1]: memory, swap where there is some, the disk of ``home``, pressure where it is offered."""
    memory = psutil.virtual_memory()
    yield 1.0 - memory.available / memory.total
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a kernel without swap counters is no news
        swap = psutil.swap_memory()
    if swap.total:
        yield swap.used / swap.total
    place = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    yield psutil.disk_usage(str(place)).percent / 100.0
    for resource in ("cpu", "memory", "io"):
        stalled = pressure(Path("/proc/pressure") / resource)
        if stalled is not None:
            yield stalled


def pressure(path: Path) -> float | None:
    """The ``some avg10`` share of a pressure-stall file in [0, 1]; None where the kernel does not offer it."""
    try:
        text = path.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("some "):
            fields = dict(item.split("=", 1) for item in line.split()[1:])
            return min(max(float(fields["avg10"]) / 100.0, 0.0), 1.0)
    return None
