"""Samples in and out. The hot path: rows go between the driver and arrays without a layer in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database, driver
from lumen_workers.adapters.store.ledger import take
from lumen_workers.adapters.store.schema import loops, samples
from lumen_workers.adapters.store.wire import PostgresWire, SqliteWire, Wire
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import Block

_ALL = 2**63 - 1
_WRITE_ROWS = 50_000


class SqlSamples:
    """``SampleStore``. A loop that the store does not know has no samples; only ``add`` refuses it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wire: Wire = PostgresWire() if database.postgres else SqliteWire()
        self._ids: dict[str, int] = {}

    def add(self, loop: str, block: Block) -> int:
        """Write what is new, as one batch; returns how many rows were.

        Raises NotFound for an unknown loop, UsageError for a value that is not a number, StoreUnavailable.
        """
        if not len(block):
            return 0
        if not np.isfinite(block.values).all():
            raise UsageError(f"loop {loop}: a sample's values must be finite numbers; leave out what is missing")
        with self._database.write() as connection:
            batch = take(connection, loop, 1)[0]
            loop_id = self._id(connection, loop)
            handle = driver(connection)
            written = 0
            for low in range(0, len(block), _WRITE_ROWS):
                part = Block(block.ts[low : low + _WRITE_ROWS], block.values[low : low + _WRITE_ROWS])
                written += self._wire.insert(handle, loop_id, batch, part)
            transaction = connection.get_transaction()
            if not written and transaction is not None:
                # A replay of what is stored must not move the watermark.
                transaction.rollback()
        return written

    def window(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> Block:
        """Samples with ``start_us <= ts < end_us``, ascending; ``upto`` leaves out rows above that ledger number."""
        return Block.concat(list(self.scan(loop, start_us, end_us, upto=upto, chunk=_WRITE_ROWS)))

    def windows(self, loop: str, bounds: Sequence[tuple[int, int]]) -> Iterator[Block]:
        """One block for each ``(start_us, end_us)``, in order, on one connection; never more than one held."""
        loop_id = self._find(loop)
        with self._database.raw() as handle:
            for start_us, end_us in bounds:
                with self._database.gate():
                    block = self._wire.select(handle, loop_id, start_us, end_us, _ALL, _ALL)
                yield block

    def scan(
        self, loop: str, start_us: int, end_us: int, *, upto: int | None = None, chunk: int = 50_000
    ) -> Iterator[Block]:
        """The same as ``window``, in blocks of at most ``chunk`` rows. No transaction stays open between two blocks."""
        loop_id = self._find(loop)
        batch = _ALL if upto is None else upto
        while True:
            with self._database.raw() as handle, self._database.gate():
                block = self._wire.select(handle, loop_id, start_us, end_us, batch, chunk)
            if len(block):
                yield block
            if len(block) < chunk:
                return
            start_us = int(block.ts[-1]) + 1

    def tail(self, loop: str, count: int) -> Block:
        """The last ``count`` samples, ascending."""
        with self._database.raw() as handle, self._database.gate():
            return self._wire.select_last(handle, self._find(loop), count)

    def span(self, loop: str) -> tuple[int, int] | None:
        """First and last ts, or None for a loop without samples."""
        # Two look-ups at the ends of the key; one query for both aggregates would walk all of it on SQLite.
        mine = samples.c.loop_id == self._find(loop)
        ends = [sa.select(edge(samples.c.ts)).where(mine).scalar_subquery() for edge in (sa.func.min, sa.func.max)]
        with self._database.glance() as connection:
            row = connection.execute(sa.select(*ends)).one()
        return None if row[0] is None else (int(row[0]), int(row[1]))

    def count(self, loop: str, start_us: int, end_us: int, *, upto: int | None = None) -> int:
        """How many samples a window has."""
        where = [samples.c.loop_id == self._find(loop), samples.c.ts >= start_us, samples.c.ts < end_us]
        if upto is not None:
            where.append(samples.c.batch <= upto)
        with self._database.glance() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(samples).where(*where)).scalar_one()

    def _find(self, loop: str) -> int:
        """The loop's number in keys; -1, which no row has, for an unknown loop."""
        if loop in self._ids:
            return self._ids[loop]
        with self._database.glance() as connection:
            return self._id(connection, loop)

    def _id(self, connection: sa.Connection, loop: str) -> int:
        if loop not in self._ids:
            found = connection.execute(sa.select(loops.c.id).where(loops.c.name == loop)).scalar()
            if found is None:
                return -1
            self._ids[loop] = found
        return self._ids[loop]
