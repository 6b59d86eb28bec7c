"""Owed rows: what must happen once, and is looked for until it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.schema import owed
from lumen_workers.domain.runs import Owed, OwedState


class SqlOwed:
    """``OwedStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, rows: Sequence[Owed]) -> int:
        """Write new ones; known (kind, key) are left alone."""
        with self._database.write() as connection:
            return owe(self._database, connection, rows)

    def due(self, kind: str, region: str | None = None) -> list[Owed]:
        """Due rows whose ``not_before`` has passed, oldest first; region None: of every region."""
        with self._database.glance() as connection:
            now = self._database.now(connection)
            where = [owed.c.kind == kind, owed.c.state == OwedState.DUE.value]
            where.append(owed.c.not_before.is_(None) | (owed.c.not_before <= now))
            if region is not None:
                where.append(owed.c.region == region)
            return _read(connection, sa.select(owed).where(*where))

    def settle(self, kind: str, key: str, state: OwedState, *, by: str, detail: str | None = None) -> bool:
        """due → done or failed, once. False: it was settled, or there is no such row."""
        if state is OwedState.DUE:
            raise ValueError("a settled row is done or failed")
        with self._database.write() as connection:
            values = {"state": state.value, "done_by": by, "done_at": self._database.now(connection), "detail": detail}
            return connection.execute(sa.update(owed).where(_due(kind, key)).values(values)).rowcount > 0

    def postpone(self, kind: str, key: str, not_before: datetime, detail: str) -> None:
        """Count a try and wait; a settled row is left alone."""
        values: dict[str, Any] = {"tries": owed.c.tries + 1, "not_before": not_before, "detail": detail}
        with self._database.write() as connection:
            connection.execute(sa.update(owed).where(_due(kind, key)).values(values))

    def get(self, kind: str, key: str) -> Owed | None:
        """One row."""
        with self._database.glance() as connection:
            found = _read(connection, sa.select(owed).where((owed.c.kind == kind) & (owed.c.key == key)))
        return found[0] if found else None

    def pass_on(self, kind: str, key: str, region: str, detail: str) -> bool:
        """Let another region owe a due row, at once. False: it is settled, or there is no such row."""
        values = {"region": region, "not_before": None, "detail": detail}
        with self._database.write() as connection:
            return connection.execute(sa.update(owed).where(_due(kind, key)).values(values)).rowcount > 0

    def rows(self, kind: str | None = None, *, unsettled: bool = False) -> list[Owed]:
        """Rows, oldest first; ``unsettled``: without those that are done."""
        statement = sa.select(owed) if kind is None else sa.select(owed).where(owed.c.kind == kind)
        if unsettled:
            statement = statement.where(owed.c.state.in_([OwedState.DUE.value, OwedState.FAILED.value]))
        with self._database.glance() as connection:
            return _read(connection, statement)


def owe(database: Database, connection: sa.Connection, rows: Iterable[Owed]) -> int:
    """Write owed rows inside a transaction; returns how many were new."""
    return sum(database.insert_new(connection, owed, plain(row)) for row in rows)


def _due(kind: str, key: str) -> sa.ColumnElement[bool]:
    return (owed.c.kind == kind) & (owed.c.key == key) & (owed.c.state == OwedState.DUE.value)


def _read(connection: sa.Connection, statement: sa.Select[Any]) -> list[Owed]:
    rows = connection.execute(statement.order_by(owed.c.created, owed.c.kind, owed.c.key))
    return [Owed(**columns(Owed, owed, row) | {"state": OwedState(row.state)}) for row in rows]
