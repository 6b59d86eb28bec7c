"""The sampler lane of a worker process: who samples, and how one burst hands over to the next."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from lumen_workers.domain.clock import Clock, to_us
from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.ports import Source, Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.regions import drained
from lumen_workers.domain.runs import Lease
from lumen_workers.loop.anchor import Anchor
from lumen_workers.loop.burst import BurstReport, Ending, Mark, drive, retire
from lumen_workers.loop.claim import Claim, Holder, decide, lease_name
from lumen_workers.loop.held import Held
from lumen_workers.loop.rates import at_rates
from lumen_workers.loop.spool import LIMIT_BYTES, Spool
from lumen_workers.loop.throttle import Throttle
from lumen_workers.loop.writer import Writer

_REPLAY_S = 10.0

_log = logging.getLogger(__name__)


class SamplerLane:
    """Samples every loop that its region should hold. One a process; it outlives its bursts. Thread-safe.

    Each call of ``burst`` first takes the loops that are free for this region, while the running burst goes on, and
    then asks that one for the baton: open sources, next ticks and clock anchor pass between two ticks, so none is
    missed or doubled. A burst of another process steals the leases instead; both sample for up to three seconds, and
    the store keeps the first of each key.

    ``spool_dir``: where samples wait while the store is away. ``stats_dir``: where ``lateness-<loop>.json`` is kept
    up to date. ``flush_s``: how long a sample waits to be written. ``max_s``: how long a burst goes on without a
    successor (time in which the store is away does not count). ``handover_s``: how long ``drain`` waits for one.
    """

    def __init__(
        self,
        *,
        loops: Sequence[LoopSpec],
        region: str,
        host: str,
        pid: int,
        make_source: Callable[[LoopSpec], Source],
        store: Store,
        clock: Clock,
        spool_dir: Path,
        stats_dir: Path | None = None,
        lease_ttl: timedelta = timedelta(seconds=10),
        flush_s: float = 0.5,
        max_s: float = 120.0,
        handover_s: float = 20.0,
        spool_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._specs = tuple(loops)
        self._region, self._host, self._pid = region, host, pid
        self._make_source = make_source
        self._store = store
        self._clock = clock
        self._spool_dir, self._spool_bytes = spool_dir, spool_bytes
        self._stats_dir = stats_dir
        self._ttl = lease_ttl
        self._flush_s, self._max_s, self._handover_s = flush_s, max_s, handover_s
        self._sources: dict[tuple[str, int], Source] = {}
        self._claims = 0
        self._drained: frozenset[str] = frozenset()
        self._silent: frozenset[str] = frozenset()
        self._anchor: Anchor | None = None
        self._held: dict[str, Held] = {}
        self._replaced: list[Held] = []
        self._writer: Writer | None = None
        self._preparing = threading.Lock()
        self._baton = threading.Lock()
        self._state = threading.Lock()
        self._waiting = 0
        self._wake = threading.Event()
        self._stopping = False
        self._drain_until: float | None = None
        self._throttle = Throttle(_log)

    def burst(self, stop: threading.Event | None = None) -> BurstReport:
        """Sample until a later burst has taken over (or as ``Ending`` says); ``stop`` ends it like ``stop()``.

        Raises StoreUnavailable when the store is away and nothing is sampled here yet.
        """
        if self._stopping or self._drain_until is not None:
            return BurstReport(ending=Ending.IDLE)
        if self._writer is not None:
            self._prepare()
        with self._state:
            self._waiting += 1
        self._wake.set()
        with self._baton:
            with self._state:
                self._waiting -= 1
            if self._writer is None:
                # Nobody samples here: this is the first burst, or the last one ended without waiting for this one.
                self._prepare()
            if not self._held or self._anchor is None:
                return BurstReport(ending=Ending.IDLE)
            return self._run(self._anchor, stop)

    def drain(self) -> None:
        """Sample on until another worker took over, at most ``handover_s``; start no new burst. Returns at once."""
        if self._drain_until is None:
            self._drain_until = self._clock.monotonic() + self._handover_s
        self._wake.set()

    def stop(self) -> None:
        """End at once: write what is there and release the leases, so that others start at once. Returns at once."""
        self._stopping = True
        self._wake.set()

    # ---------------------------------------------------------------- taking loops

    def _prepare(self) -> None:
        """Take what may be taken, and look at the store's clock; the running burst goes on meanwhile."""
        with self._preparing:
            try:
                self._look_at_regions()
                measured = Anchor.measure(self._store, self._clock)
                self._anchor = measured if self._anchor is None else self._anchor.refined(measured)
                for spec in at_rates(self._specs, self._store.loops.settings()):
                    held = self._held.get(spec.name)
                    # At another rate it is another grid: the loop is taken anew, from ourselves.
                    if held is None or held.lost or held.spec.rate_hz != spec.rate_hz:
                        self._take(spec)
            except StoreUnavailable:
                if not self._held:
                    raise
                self._throttle.warn("prepare", "the store is away: no further loop is taken over")

    def _look_at_regions(self) -> None:
        """Which ones take nothing new, and whose sampler lane has given no sign of life for a lease's time."""
        self._drained = drained(self._store.switches.rows())
        seen: dict[str, datetime] = {}
        for pulse in self._store.pulses.rows():
            if pulse.lane == "sampler":
                seen[pulse.region] = max(pulse.seen, seen.get(pulse.region, pulse.seen))
        now = self._store.now()
        self._silent = frozenset(region for region, last in seen.items() if now - last > self._ttl)

    def _take(self, spec: LoopSpec) -> None:
        """Take one loop, if it is this region's to take and its source opens."""
        source = self._source(spec)
        lease = None if source is None else self._lease(spec, source)
        if source is None or lease is None:
            return
        self._store.loops.register(spec.name, spec.rate_hz, spec.source)
        last = self._store.samples.tail(spec.name, 1)
        # A sample from the future, left by a clock that was wrong, must not hold up those of now.
        last_us = min(int(last.ts[-1]), to_us(self._store.now())) if len(last) else None
        del self._sources[spec.name, spec.rate_hz]
        with self._throttle.contain(f"open {spec.name}", f"the source of loop {spec.name} does not open") as opening:
            source.open(last_us)
        if opening.error is not None:
            with self._throttle.contain(f"close {spec.name}", f"the source of loop {spec.name} does not close"):
                source.close()
            self._release(lease, source)
            return
        held = Held(spec, source, lease)
        with self._state:
            if self._writer is not None:
                self._writer.add(held)
            if spec.name in self._held:
                self._replaced.append(self._held[spec.name])
            self._held[spec.name] = held
        _log.info("loop %s is sampled by %s (epoch %d)", spec.name, lease.holder, lease.epoch)

    def _source(self, spec: LoopSpec) -> Source | None:
        """The loop's source, not yet open: it alone knows whether it is bound to a host."""
        key = (spec.name, spec.rate_hz)
        if key not in self._sources:
            with self._throttle.contain(f"make {spec.name}", f"the source of loop {spec.name} cannot be made"):
                self._sources[key] = self._make_source(spec)
        return self._sources.get(key)

    def _lease(self, spec: LoopSpec, source: Source) -> Lease | None:
        """The lease on sampling ``spec``, or None when it is not ours to take."""
        name = lease_name(spec.name)
        claim = decide(
            spec,
            self._store.leases.get(name),
            self._store.now(),
            host_bound=source.host_bound,
            region=self._region,
            host=self._host,
            ttl=self._ttl,
            drained=self._drained,
            silent=self._silent,
        )
        if claim is Claim.LEAVE:
            return None
        self._claims += 1
        holder = Holder(self._region, self._host, self._pid, self._claims)
        return self._store.leases.acquire(name, str(holder), self._ttl, steal=claim is Claim.STEAL)

    def _release(self, lease: Lease, source: Source) -> None:
        """Give a lease back, so that others start at once; one that is bound to this host goes on naming it."""
        if source.host_bound:
            return
        with self._throttle.contain(f"release {lease.name}", f"lease {lease.name} is left to expire"):
            self._store.leases.release(lease)

    # ---------------------------------------------------------------- sampling

    def _run(self, anchor: Anchor, stop: threading.Event | None) -> BurstReport:
        """Drive every held loop; the caller has the baton."""
        writer = self._writer or self._start_writer()
        started = self._clock.monotonic()
        with self._state:
            loops = dict(self._held)
            replaced, self._replaced = self._replaced, []
        for old in replaced:
            # It was lost and taken again before the burst that sampled it came to retire it.
            if not old.retired:
                retire(old)
        marks = {name: Mark(held) for name, held in loops.items()}

        def ending() -> Ending | None:
            if self._stopping or (stop is not None and stop.is_set()):
                return Ending.STOPPED
            if self._waiting:
                return Ending.HANDED_OVER
            now = self._clock.monotonic()
            if self._drain_until is not None and now >= self._drain_until:
                return Ending.DRAINED
            if now >= max(started, writer.last_away or started) + self._max_s:
                return Ending.EXPIRED
            return None

        reason = drive(loops.values(), anchor, self._clock, self._wake, ending)
        with self._state:
            self._held = {name: held for name, held in self._held.items() if not held.retired}
        if reason is Ending.LOST and self._waiting:
            reason = Ending.HANDED_OVER
        if reason is Ending.HANDED_OVER:
            writer.poke()
        else:
            self._finish(writer, reason)
        seconds = self._clock.monotonic() - started
        return BurstReport(ending=reason, seconds=seconds, loops={name: mark.report() for name, mark in marks.items()})

    def _start_writer(self) -> Writer:
        writer = Writer(
            self._store,
            self._clock,
            Spool(self._spool_dir, limit_bytes=self._spool_bytes),
            lease_ttl=self._ttl,
            flush_s=self._flush_s,
            stats_dir=self._stats_dir,
            changed=self._wake.set,
        )
        with self._state:
            for held in self._held.values():
                writer.add(held)
            self._writer = writer
        writer.start()
        return writer

    def _finish(self, writer: Writer, reason: Ending) -> None:
        """Write everything, then give back the leases: whoever comes next goes on behind our last sample."""
        with self._state:
            held = [*self._held.values(), *(old for old in self._replaced if not old.retired)]
            self._held, self._replaced = {}, []
            self._writer = None
        for loop in held:
            retire(loop)
        writer.close(replay_s=0.0 if reason is Ending.STOPPED else _REPLAY_S)
        for loop in held:
            if not loop.lost:
                self._release(loop.lease, loop.source)
