"""The writer thread of a sampler lane: writes samples, renews leases, spools while the store is away."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from lumen_workers.domain.clock import Clock, from_us, iso
from lumen_workers.domain.errors import LeaseLost, UsageError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import Block
from lumen_workers.loop.held import Held
from lumen_workers.loop.spool import Spool, ordered
from lumen_workers.loop.throttle import Every, Throttle

_RENEW_S = 1.0
_STATS_S = 3.0
_ADOPT_S = 30.0
_REPLAY_S = 0.5
_JOIN_S = 30.0

_log = logging.getLogger(__name__)


class Writer:
    """Everything of a lane that waits for the store or the disk, on one thread of its own.

    ``changed`` is called when a loop was lost. While the store is away, leases cannot be renewed and sampling goes on
    all the same: a sample's key is written once, whoever writes it, so samples need no fence.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        spool: Spool,
        *,
        lease_ttl: timedelta,
        flush_s: float,
        stats_dir: Path | None,
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._spool = spool
        self._ttl = lease_ttl
        self._flush_s = flush_s
        self._stats_dir = stats_dir
        self._changed = changed
        self._held: list[Held] = []
        self._lock = threading.Lock()
        self._poke = threading.Event()
        self._closing = False
        self._closing_replay_s = 0.0
        self._away = False
        self._last_away: float | None = None
        self._renewal = Every(_RENEW_S, clock)
        self._adoption = Every(_ADOPT_S, clock)
        self._reports = Every(_STATS_S, clock)
        self._throttle = Throttle(_log)
        self._thread = threading.Thread(target=self._run, name="sampler-writer", daemon=True)

    @property
    def last_away(self) -> float | None:
        """When the store last was away, by the monotonic clock (now, while it is); None: never."""
        return self._clock.monotonic() if self._away else self._last_away

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, held: Held) -> None:
        """Take care of one more loop, until it is retired and written."""
        with self._lock:
            self._held.append(held)

    def poke(self) -> None:
        """Write now what is buffered."""
        self._poke.set()

    def close(self, *, replay_s: float) -> None:
        """Write or spool what is buffered, replay the spool for at most about ``replay_s``, and end."""
        self._closing_replay_s = replay_s
        self._closing = True
        self._poke.set()
        self._thread.join(_JOIN_S + replay_s)
        if self._thread.is_alive():
            _log.error("the store does not answer: the sampler's writer is left behind with what it holds")

    def _run(self) -> None:
        while not self._closing:
            self._poke.wait(self._flush_s)
            self._poke.clear()
            # The thread must live: without it no sample is written and no lease is renewed.
            with self._throttle.contain("round", "the sampler's writer failed"):
                self._round()
        with self._throttle.contain("end", "the sampler's writer failed at its end"):
            self._end()

    def _round(self) -> None:
        self._flush()
        if self._renewal.due():
            self._renew()
        if not self._away and self._adoption.due() and (found := self._spool.adopt()):
            _log.info("%d spool files left by earlier processes are replayed", found)
        self._replay(_REPLAY_S)
        if self._reports.due():
            with self._lock:
                loops = list(self._held)
            for held in loops:
                self._report(held)

    def _end(self) -> None:
        self._flush()
        if self._closing_replay_s:
            self._replay(self._closing_replay_s)
        self._spool.close()

    def _flush(self) -> None:
        """Move every buffer to the store, or to the spool while the store is away."""
        with self._lock:
            loops = list(self._held)
        for held in loops:
            last = held.retired
            block = ordered(held.buffer.take())
            if len(block) and not self._write(held.spec.name, block):
                if self._spool.append(held.spec.name, block):
                    held.counts.spooled += len(block)
                else:
                    held.counts.discarded += len(block)
            if last:
                self._report(held)
                with self._lock:
                    self._held.remove(held)

    def _write(self, loop: str, block: Block) -> bool:
        """Give a block to the store. False: the store is away."""
        if self._away:
            return False
        with self._asking():
            self._store.samples.add(loop, block)
        return not self._away

    def _renew(self) -> None:
        """Renew every lease; while the store is away this is also how its return is noticed."""
        with self._lock:
            loops = [held for held in self._held if not held.lost and not held.retired]
        was_away, self._away = self._away, False
        with self._asking():
            if not loops and was_away:
                self._store.now()
            for held in loops:
                try:
                    held.lease = self._store.leases.renew(held.lease, self._ttl)
                except LeaseLost:
                    _log.info("loop %s is sampled by another worker now", held.spec.name)
                    held.lost_at = self._clock.monotonic()
                    self._changed()
        if was_away and not self._away:
            self._last_away = self._clock.monotonic()
            _log.info("the store answers again")

    def _replay(self, budget_s: float) -> None:
        """Move what is spooled to the store."""
        if self._away or not self._spool.pending:
            return
        with self._asking():
            count = self._spool.replay(self._add_spooled, budget_s)
            _log.info("%d spooled samples are in the store", count)
        if not self._away and self._spool.pending:
            self._poke.set()

    def _add_spooled(self, loop: str, block: Block) -> None:
        try:
            self._store.samples.add(loop, block)
        except UsageError as error:
            # A spool of another store: this one will never take it, and nothing may block what lies behind.
            self._throttle.warn(f"spool {loop}", f"{len(block)} spooled samples are dropped: {error}")

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Around calls of the store: whatever they raise means that it is away, and nothing is given up."""
        with self._throttle.contain("away", "the store is away, samples are spooled") as asking:
            yield
        if asking.error is not None:
            self._away = True
            self._last_away = self._clock.monotonic()

    def _report(self, held: Held) -> None:
        """Leave the loop's lateness beside the other state files, for whoever wants to show it."""
        stats = held.lateness.stats()
        if self._stats_dir is None or stats.since_us is None:
            return
        said = {**asdict(stats), "since": iso(from_us(stats.since_us))}
        del said["since_us"]
        target = self._stats_dir / f"lateness-{held.spec.name}.json"
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._stats_dir.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(said) + "\n", encoding="utf-8")
            draft.replace(target)
        except OSError as error:
            self._throttle.warn("stats", f"{target} cannot be written: {error}")
            with contextlib.suppress(OSError):
                draft.unlink()
