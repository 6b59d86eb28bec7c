"""Counters that survive restarts, raised in the transaction of what they count."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import tallies
from lumen_workers.domain.regions import Tally

Count = tuple[str, Mapping[str, str]]
"""A counter's name and labels."""


class SqlTallies:
    """``TallyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, labels: Mapping[str, str], amount: int = 1) -> None:
        """Count ``amount`` (≥ 0) more. Labels must have few values: no run id."""
        if amount < 0:
            raise ValueError("a counter only rises")
        with self._database.write() as connection:
            count(self._database, connection, [(name, labels)], amount)

    def rows(self, prefix: str = "") -> list[Tally]:
        """Counters whose name begins with ``prefix``, by name and labels."""
        statement = sa.select(tallies).where(tallies.c.name.startswith(prefix, autoescape=True))
        with self._database.glance() as connection:
            rows = connection.execute(statement.order_by(tallies.c.name, tallies.c.labels)).all()
        return [Tally(name=row.name, labels=json.loads(row.labels), value=row.value) for row in rows]


def count(database: Database, connection: sa.Connection, counts: Iterable[Count], amount: int = 1) -> None:
    """Count inside a transaction. Rows are locked in one order, so that two such transactions never wait in a ring."""
    keys = sorted((name, json.dumps(dict(labels), sort_keys=True, ensure_ascii=False)) for name, labels in counts)
    if keys:
        rows = [{"name": name, "labels": labels, "value": amount} for name, labels in keys]
        connection.execute(database.prepared(_raise), rows)


def _raise(database: Database) -> sa.Executable:
    statement = database.insert(tallies)
    return statement.on_conflict_do_update(
        index_elements=[tallies.c.name, tallies.c.labels],
        set_={"value": tallies.c.value + statement.excluded.value},
    )
