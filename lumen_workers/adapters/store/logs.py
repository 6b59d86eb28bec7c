"""Transparency logs: what is owed to them, and the newest tree that each has signed."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.leases import hold
from lumen_workers.adapters.store.rows import Row, columns
from lumen_workers.adapters.store.schema import log_heads, log_rows
from lumen_workers.domain.errors import LogRefused
from lumen_workers.domain.evidence import LogHead, LogRow
from lumen_workers.domain.runs import Lease


class SqlLogs:
    """``LogStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, origin: str, key: str, entry: bytes, envelope: bytes) -> LogRow:
        """Owe an entry, once for a key."""
        with self._database.write() as connection:
            values = {
                "origin": origin,
                "key": key,
                "entry": entry,
                "envelope": envelope,
                "queued_at": self._database.now(connection),
            }
            self._database.insert_new(connection, log_rows, values)
            return _row(connection.execute(sa.select(log_rows).where(_is(origin, key))).one())

    def get(self, origin: str, key: str) -> LogRow | None:
        """One row."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(log_rows).where(_is(origin, key))).first()
        return None if row is None else _row(row)

    def pending(self, origin: str, limit: int | None = None) -> list[LogRow]:
        """Rows without a position, in order."""
        owed = (log_rows.c.origin == origin) & log_rows.c.position.is_(None)
        statement = sa.select(log_rows).where(owed).order_by(log_rows.c.number).limit(limit)
        with self._database.glance() as connection:
            return [_row(row) for row in connection.execute(statement)]

    def rows(self, limit: int | None = None) -> list[LogRow]:
        """Sequenced rows, newest first."""
        held = log_rows.c.position.is_not(None)
        statement = sa.select(log_rows).where(held).order_by(log_rows.c.number.desc()).limit(limit)
        with self._database.glance() as connection:
            return [_row(row) for row in connection.execute(statement)]

    def head(self, origin: str) -> LogHead | None:
        """The newest tree."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(log_heads).where(log_heads.c.origin == origin)).first()
        return None if row is None else _head(row)

    def heads(self) -> list[LogHead]:
        """Those of all logs."""
        with self._database.glance() as connection:
            return [_head(row) for row in connection.execute(sa.select(log_heads).order_by(log_heads.c.origin))]

    def advance(self, head: LogHead, positions: Mapping[str, int], lease: Lease) -> None:
        """Record a signed tree and what it gives positions to, under the lease."""
        with self._database.write() as connection:
            hold(connection, lease)
            standing = connection.execute(sa.select(log_heads).where(log_heads.c.origin == head.origin)).first()
            if standing is not None and (
                head.size < standing.size or (head.size == standing.size and head.root != standing.root)
            ):
                raise LogRefused(
                    f"the log {head.origin} has signed a tree of {standing.size} entries already, and another one of "
                    f"{head.size} must not follow; see docs/runbook.md#the-log-refuses"
                )
            values = {
                "size": head.size,
                "root": head.root,
                "note": head.note,
                "signed_at": head.signed_at,
            }
            if standing is None:
                connection.execute(sa.insert(log_heads).values(origin=head.origin, **values))
            else:
                connection.execute(sa.update(log_heads).where(log_heads.c.origin == head.origin).values(**values))
            for key, position in positions.items():
                connection.execute(sa.update(log_rows).where(_is(head.origin, key)).values(position=position))


def _is(origin: str, key: str) -> sa.ColumnElement[bool]:
    return (log_rows.c.origin == origin) & (log_rows.c.key == key)


def _row(row: Row) -> LogRow:
    return LogRow(**columns(LogRow, log_rows, row))


def _head(row: Row) -> LogHead:
    return LogHead(**columns(LogHead, log_heads, row))
