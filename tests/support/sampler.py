"""A store in memory with a switch for being away, and small sources whose reads can be counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np

from lumen_workers.domain.clock import SystemClock
from lumen_workers.domain.errors import LeaseLost, StoreUnavailable
from lumen_workers.domain.gateway import LoopSetting
from lumen_workers.domain.ports import Source, Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.regions import Pulse, Switch
from lumen_workers.domain.runs import Lease
from lumen_workers.domain.signals import Block, Reading
from lumen_workers.loop.burst import BurstReport
from lumen_workers.loop.lane import SamplerLane


class MemorySwitches:
    """Which switches are on."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def rows(self) -> list[Switch]:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        return [Switch(name=name, by="kim", since=since) for name in self.names]


class MemoryPulses:
    """Signs of life, as a test writes them down."""

    def __init__(self) -> None:
        self.known: list[Pulse] = []

    def rows(self) -> list[Pulse]:
        return list(self.known)


class MemoryStore:
    """Loops, samples and leases in memory. ``offset``: how far the store's clock is ahead of this machine's."""

    def __init__(self) -> None:
        self.away = False
        self.offset = timedelta(0)
        self.registered: dict[str, int] = {}
        self.commanded: dict[str, LoopSetting] = {}
        self.rows: dict[str, dict[int, tuple[float, ...]]] = {}
        self.rewrites = 0
        self.lock = threading.Lock()
        self._leases: dict[str, Lease] = {}
        self.loops = self.samples = self.leases = self
        self.switches = MemorySwitches()
        self.pulses = MemoryPulses()

    def answer(self) -> None:
        if self.away:
            raise StoreUnavailable("the test's store is away")

    def now(self) -> datetime:
        self.answer()
        return datetime.now(UTC) + self.offset

    def settings(self) -> dict[str, LoopSetting]:
        self.answer()
        return dict(self.commanded)

    def register(self, name: str, rate_hz: int, source: str) -> None:
        self.answer()
        self.registered[name] = rate_hz

    def add(self, loop: str, block: Block) -> int:
        self.answer()
        assert loop in self.registered
        assert bool(np.all(np.diff(block.ts) > 0))
        with self.lock:
            rows = self.rows.setdefault(loop, {})
            new = [(int(ts), tuple(row)) for ts, row in zip(block.ts, block.values.tolist(), strict=True)]
            fresh = [(ts, row) for ts, row in new if ts not in rows]
            rows.update(fresh)
            self.rewrites += len(new) - len(fresh)
            return len(fresh)

    def tail(self, loop: str, count: int) -> Block:
        self.answer()
        with self.lock:
            rows = sorted(self.rows.get(loop, {}).items())[-count:]
        return Block.of([(ts, Reading(*row)) for ts, row in rows])

    def acquire(self, name: str, holder: str, ttl: timedelta, *, steal: bool = False) -> Lease | None:
        now = self.now()
        with self.lock:
            row = self._leases.get(name)
            if row is not None and row.expires > now and not steal:
                return None
            epoch = 1 if row is None else row.epoch + 1
            self._leases[name] = Lease(name=name, holder=holder, epoch=epoch, expires=now + ttl)
            return self._leases[name]

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        now = self.now()
        with self.lock:
            row = self._leases[lease.name]
            if (row.epoch, row.holder) != (lease.epoch, lease.holder):
                raise LeaseLost(lease.name)
            self._leases[lease.name] = replace(lease, expires=now + ttl)
            return self._leases[lease.name]

    def release(self, lease: Lease) -> None:
        now = self.now()
        with self.lock:
            if self._leases[lease.name].epoch == lease.epoch:
                self._leases[lease.name] = replace(lease, holder="", expires=now)

    def get(self, name: str) -> Lease | None:
        self.answer()
        return self._leases.get(name)

    def ticks(self, loop: str, period_us: int) -> list[int]:
        """The stored ticks' numbers on the grid; every one must lie on it."""
        with self.lock:
            stamps = sorted(self.rows.get(loop, {}))
        assert all(ts % period_us == 0 for ts in stamps)
        return [ts // period_us for ts in stamps]


class Polled:
    """A polled source that always has the same reading."""

    host_bound = False
    reading = Reading(0.1, 0.2, 0.3, 0.123456789)

    def __init__(self) -> None:
        self.opened_at: list[int | None] = []
        self.closed = 0
        self.reads: list[int] = []

    def open(self, last_us: int | None) -> None:
        self.opened_at.append(last_us)

    def read(self, tick_us: int, lateness_s: float) -> Block:
        assert self.opened_at
        assert not self.closed
        self.reads.append(tick_us)
        return Block.of([(tick_us, self.reading)])

    def close(self) -> None:
        self.closed += 1


class Bench:
    """Lanes over one store, and their bursts on threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.sources: list[Polled] = []
        self.lanes: list[SamplerLane] = []
        self.threads: list[threading.Thread] = []

    def close(self) -> None:
        """Stop every lane; check that nothing is left open or running."""
        self.store.away = False
        for lane in self.lanes:
            lane.stop()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()
        assert all(source.closed == 1 for source in self.sources if source.opened_at)
        assert not [thread for thread in threading.enumerate() if thread.name == "sampler-writer"]

    def source(self, spec: LoopSpec) -> Source:
        self.sources.append(Polled())
        return self.sources[-1]

    def lane(
        self,
        loops: Sequence[LoopSpec] = (LoopSpec(name="main", rate_hz=50, source="mock"),),
        *,
        region: str = "east",
        host: str = "host-a",
        make_source: Callable[[LoopSpec], Source] | None = None,
        **options: Any,
    ) -> SamplerLane:
        number = len(self.lanes) + 1
        lane = SamplerLane(
            loops=loops,
            region=region,
            host=host,
            pid=number,
            make_source=make_source or self.source,
            store=cast("Store", self.store),
            clock=SystemClock(),
            spool_dir=self.folder / "spool",
            flush_s=0.05,
            **options,
        )
        self.lanes.append(lane)
        return lane

    def burst(self, lane: SamplerLane, stop: threading.Event | None = None) -> Running:
        running = Running(lane, stop)
        self.threads.append(running)
        running.start()
        return running


class Running(threading.Thread):
    """A burst on its own thread."""

    def __init__(self, lane: SamplerLane, stop: threading.Event | None) -> None:
        super().__init__(daemon=True)
        self._lane = lane
        self._stop_event = stop
        self._report: BurstReport | None = None

    def run(self) -> None:
        self._report = self._lane.burst(self._stop_event)

    def report(self, timeout: float = 5.0) -> BurstReport:
        """What the burst said when it ended."""
        self.join(timeout)
        assert self._report is not None, "the burst did not end"
        return self._report


def wait_until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
