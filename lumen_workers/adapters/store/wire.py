"""Sample rows between arrays and the drivers. Everything else speaks SQLAlchemy; here its cost for each row shows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any, Protocol

import numpy as np

from lumen_workers.domain.signals import SIGNALS, Block

_SELECT = (
    "SELECT ts, phase_diff, entropy_rate, creative_band, risk_band FROM samples"
    " WHERE loop_id = ? AND ts >= ? AND ts < ? AND batch <= ? ORDER BY ts LIMIT ?"
)
_SELECT_LAST = (
    "SELECT ts, phase_diff, entropy_rate, creative_band, risk_band FROM samples"
    " WHERE loop_id = ? ORDER BY ts DESC LIMIT ?"
)
_ROW = np.dtype([("ts", np.int64), *((name, np.float64) for name in SIGNALS)])
_PAIR = np.dtype([("ts", np.int64), ("values", np.float64, (len(SIGNALS),))])


class Wire(Protocol):
    """What a driver does with sample rows; ``connection`` is the driver's own."""

    def insert(self, connection: Any, loop_id: int, batch: int, block: Block) -> int:
        """Write the rows whose key is new, in the caller's transaction; returns how many were."""

    def select(self, connection: Any, loop_id: int, start_us: int, end_us: int, batch: int, limit: int) -> Block:
        """The first ``limit`` rows of ``[start_us, end_us)`` with a ledger number up to ``batch``, ascending."""

    def select_last(self, connection: Any, loop_id: int, count: int) -> Block:
        """The last ``count`` rows, ascending."""


class SqliteWire:
    """The standard library's driver."""

    _INSERT = "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

    def insert(self, connection: Any, loop_id: int, batch: int, block: Block) -> int:
        count = len(block)
        rows = zip(
            repeat(loop_id, count), block.ts.tolist(), *block.values.T.tolist(), repeat(batch, count), strict=True
        )
        return int(connection.executemany(self._INSERT, rows).rowcount)

    def select(self, connection: Any, loop_id: int, start_us: int, end_us: int, batch: int, limit: int) -> Block:
        return _block(connection.execute(_SELECT, (loop_id, start_us, end_us, batch, limit)))

    def select_last(self, connection: Any, loop_id: int, count: int) -> Block:
        return _reversed(_block(connection.execute(_SELECT_LAST, (loop_id, count))))


class PostgresWire:
    """psycopg: arrays in, binary rows out (measured faster than COPY, which hands over a row at a time)."""

    _INSERT = (
        "INSERT INTO samples SELECT %b::int4, new.*, %b::int8 FROM unnest(%b::int8[], %b::float8[], %b::float8[],"
        " %b::float8[], %b::float8[]) AS new ON CONFLICT DO NOTHING"
    )
    _SELECT = _SELECT.replace("?", "%b")
    _SELECT_LAST = _SELECT_LAST.replace("?", "%b")

    def insert(self, connection: Any, loop_id: int, batch: int, block: Block) -> int:
        parameters = (loop_id, batch, block.ts.tolist(), *block.values.T.tolist())
        with connection.cursor() as cursor:
            return int(cursor.execute(self._INSERT, parameters).rowcount)

    def select(self, connection: Any, loop_id: int, start_us: int, end_us: int, batch: int, limit: int) -> Block:
        return self._rows(connection, self._SELECT, (loop_id, start_us, end_us, batch, limit))

    def select_last(self, connection: Any, loop_id: int, count: int) -> Block:
        return _reversed(self._rows(connection, self._SELECT_LAST, (loop_id, count)))

    @staticmethod
    def _rows(connection: Any, statement: str, parameters: tuple[int, ...]) -> Block:
        with connection.cursor(binary=True) as cursor:
            return _block(cursor.execute(statement, parameters, prepare=True))


def _block(rows: Iterable[tuple[Any, ...]]) -> Block:
    # fromiter takes them one by one: the tuples do not pile up beside the array.
    pairs = np.fromiter(rows, dtype=_ROW).view(_PAIR)
    return Block(np.ascontiguousarray(pairs["ts"]), np.ascontiguousarray(pairs["values"]))


def _reversed(block: Block) -> Block:
    return Block(block.ts[::-1].copy(), block.values[::-1].copy())
