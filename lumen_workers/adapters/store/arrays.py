"""Samples in arrays, beside an in-memory database: for simulations, which make days of samples in one go."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import loops
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.signals import Block


@dataclass(slots=True)
class _Part:
    """Samples that came together, or were merged; ``batch`` is int64[n], the ledger number of each."""

    block: Block
    batch: np.ndarray[tuple[int], np.dtype[np.int64]]

    @property
    def first(self) -> int:
        return int(self.block.ts[0])

    @property
    def last(self) -> int:
        return int(self.block.ts[-1])


class ArraySamples:
    """``SampleStore`` of one process. ``keep_s``: samples this much older than a loop's newest are forgotten.

    Ledger numbers come from the database, so that watermarks mean the same as everywhere.
    """

    def __init__(self, database: Database, keep_s: float | None = None) -> None:
        self._database = database
        self._keep_us = None if keep_s is None else round(keep_s * 1_000_000)
        self._parts: dict[str, list[_Part]] = defaultdict(list)
        self._lock = threading.RLock()

    def add(self, loop: str, block: Block) -> int:
        """Write what is new, as one batch. Raises NotFound, UsageError for a value that is not a number."""
        if not len(block):
            return 0
        if not np.isfinite(block.values).all():
            raise UsageError(f"loop {loop}: a sample's values must be finite numbers; leave out what is missing")
        with self._lock:
            ts, places = np.unique(block.ts, return_index=True)
            parts = self._parts.get(loop, [])
            touched = [part for part in parts if part.last >= ts[0] and part.first <= ts[-1]]
            if touched:
                known = np.concatenate([part.block.ts for part in touched])
                fresh = ~np.isin(ts, known)
                ts, places = ts[fresh], places[fresh]
            if not len(ts):
                self._known(loop)
                return 0
            with self._database.write() as connection:
                number = ledger.take(connection, loop, 1)[0]
            new = _Part(Block(ts, block.values[places]), np.full(len(ts), number, np.int64))
            self._parts[loop] = self._put(parts, touched, new)
        return len(ts)

    def window(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> Block:
        """Samples with ``start_us <= ts < end_us``, ascending; ``upto`` leaves out rows above that ledger number."""
        found = []
        with self._lock:
            parts = self._parts.get(loop, [])
            at = bisect_left(parts, start_us, key=lambda part: part.last)
            for part in parts[at:]:
                if part.first >= end_us:
                    break
                low, high = np.searchsorted(part.block.ts, (start_us, end_us), side="left")
                ts, values = part.block.ts[low:high], part.block.values[low:high]
                if upto is not None:
                    seen = part.batch[low:high] <= upto
                    ts, values = ts[seen], values[seen]
                found.append(Block(ts, values))
        return Block.concat(found)

    def windows(self, loop: str, bounds: Sequence[tuple[int, int]]) -> Iterator[Block]:
        """One block for each ``(start_us, end_us)``, in order."""
        return (self.window(loop, start, end) for start, end in bounds)

    def scan(
        self, loop: str, start_us: int, end_us: int, *, upto: int | None = None, chunk: int = 50_000
    ) -> Iterator[Block]:
        """The same as ``window``, in blocks of at most ``chunk`` rows."""
        whole = self.window(loop, start_us, end_us, upto=upto)
        for low in range(0, len(whole), chunk):
            yield Block(whole.ts[low : low + chunk], whole.values[low : low + chunk])

    def tail(self, loop: str, count: int) -> Block:
        """The last ``count`` samples, ascending."""
        found: list[Block] = []
        with self._lock:
            for part in reversed(self._parts.get(loop, [])):
                if count <= 0:
                    break
                found.insert(0, Block(part.block.ts[-count:], part.block.values[-count:]))
                count -= len(found[0])
        return Block.concat(found)

    def span(self, loop: str) -> tuple[int, int] | None:
        """First and last ts, or None for a loop without samples."""
        with self._lock:
            parts = self._parts.get(loop)
            return (parts[0].first, parts[-1].last) if parts else None

    def count(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> int:
        """How many samples a window has."""
        return len(self.window(loop, start_us, end_us, upto=upto))

    def _put(self, parts: list[_Part], touched: list[_Part], new: _Part) -> list[_Part]:
        """The parts with ``new`` among them: in order, and none within another."""
        if touched:
            ts = np.concatenate([new.block.ts, *(part.block.ts for part in touched)])
            values = np.concatenate([new.block.values, *(part.block.values for part in touched)])
            batch = np.concatenate([new.batch, *(part.batch for part in touched)])
            order = np.argsort(ts, kind="stable")
            new = _Part(Block(ts[order], values[order]), batch[order])
            parts = [part for part in parts if all(part is not other for other in touched)]
        at = bisect_left(parts, new.first, key=lambda part: part.first)
        parts.insert(at, new)
        if self._keep_us is not None:
            oldest = parts[-1].last - self._keep_us
            while parts[0].last < oldest:
                parts.pop(0)
        return parts

    def _known(self, loop: str) -> None:
        with self._database.glance() as connection:
            if connection.execute(sa.select(loops.c.id).where(loops.c.name == loop)).first() is None:
                raise NotFound(f"loop {loop!r} is not known to the store")
