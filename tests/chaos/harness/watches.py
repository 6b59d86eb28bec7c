"""Invariants over time: each watch remembers what it saw at its last look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import psutil
from chaos.harness.region import Region

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.clock import to_us
from lumen_workers.domain.signals import period_us
from lumen_workers.loop.coverage import coverage

_SETTLED_US = 2_000_000
"""The newest samples may still be on their way to the store."""


class Epochs:
    """A lease's epoch never falls, and no lease is forgotten."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def look(self, store: SqlStore) -> list[str]:
        """What is violated since the last look."""
        names = self._seen.keys() | {lease.name for lease in store.leases.live()}
        now = {name: lease.epoch for name in names if (lease := store.leases.get(name)) is not None}
        found = [
            f"epochs: lease {name} was at {epoch} and is at {now.get(name)}"
            for name, epoch in self._seen.items()
            if now.get(name, 0) < epoch
        ]
        self._seen |= now
        return found


class Samples:
    """Between two looks no loop has lost more ticks than an event may cost."""

    def __init__(self, store: SqlStore, loops: Mapping[str, int]) -> None:
        self._store = store
        self._loops = loops
        self._from = {loop: to_us(store.now()) for loop in loops}

    def look(self, allowed_s: float) -> tuple[dict[str, float], list[str]]:
        """Loop → seconds of samples that are missing since the last look, and what is violated."""
        lost: dict[str, float] = {}
        upto = to_us(self._store.now()) - _SETTLED_US
        for loop, rate in self._loops.items():
            found = coverage(self._store.samples, loop, rate, self._from[loop], upto)
            lost[loop] = round(found.missing / rate, 1)
            if found.last_us is not None:
                # The last sample is the next window's first, so that a gap between two looks is in one of them.
                self._from[loop] = found.last_us
                lost[loop] += max(0.0, round((upto - found.last_us - period_us(rate)) / 1e6 - 1, 1))
        return lost, [
            f"samples: loop {loop} has lost {seconds:.1f} s, {allowed_s:g} s may be"
            for loop, seconds in lost.items()
            if seconds > allowed_s
        ]


def orphans(regions: Iterable[Region]) -> list[str]:
    """No process of a home lives outside its supervisor's family, and no lane has two workers."""
    found: list[str] = []
    for region in regions:
        family = {region.supervisor}
        lanes: dict[str, int] = {}
        for process in region.processes():
            try:
                above = {parent.pid for parent in process.parents()}
                lane = process.environ().get("LUMEN_LANE")
                main = process.ppid() == region.supervisor
            except psutil.Error:
                continue  # it has just ended
            if not (family & (above | {process.pid})):
                found.append(f"orphans: {region.name}: pid {process.pid} ({lane}) has lost its supervisor")
            if lane and main:
                lanes[lane] = lanes.get(lane, 0) + 1
        found += [f"orphans: {region.name}: {count} {lane} workers" for lane, count in lanes.items() if count > 1]
    return found
