"""Ledger numbers and the searches that go by them.

Each loop has one counter, raised in the transaction of the write it numbers. The counter's row stays locked until that
transaction ends, so numbers become visible in their order: what is at or below a committed number is all there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import loops, progress
from lumen_workers.domain.errors import NotFound

CHUNK = 500
"""Values in one IN list; SQLite allows 999 on old builds."""


def lock(connection: sa.Connection, loop: str) -> int:
    """Lock the loop's row and return its last number. Raises NotFound."""
    row = connection.execute(sa.select(loops.c.seq).where(loops.c.name == loop).with_for_update()).first()
    if row is None:
        raise NotFound(f"loop {loop!r} is not known to the store")
    return int(row.seq)


def take(connection: sa.Connection, loop: str, count: int) -> range:
    """The loop's next ``count`` numbers; locks its row. Raises NotFound."""
    statement = sa.update(loops).where(loops.c.name == loop).values(seq=loops.c.seq + count).returning(loops.c.seq)
    last = connection.execute(statement).scalar()
    if last is None:
        raise NotFound(f"loop {loop!r} is not known to the store")
    return range(last - count + 1, last + 1)


def floor(connection: sa.Connection, loop: str, search: str) -> int:
    """Rows up to this number need no look in ``search``."""
    where = (progress.c.loop == loop) & (progress.c.search == search)
    return connection.execute(sa.select(progress.c.seq).where(where)).scalar() or 0


def raise_floor(
    database: Database, connection: sa.Connection, loop: str, search: str, first_open: sa.Select[Any]
) -> None:
    """Move the floor to just below the first row that is still open. The loop's row must be locked.

    ``first_open`` selects the lowest open number above the old floor, or nothing.
    """
    last = lock(connection, loop)
    number = connection.execute(first_open).scalar()
    statement = database.insert(progress).values(loop=loop, search=search, seq=last if number is None else number - 1)
    statement = statement.on_conflict_do_update(
        index_elements=[progress.c.loop, progress.c.search], set_={"seq": statement.excluded.seq}
    )
    connection.execute(statement)


def known(connection: sa.Connection, column: sa.Column[Any], values: Iterable[Any]) -> set[Any]:
    """Which of ``values`` the column has."""
    found: set[Any] = set()
    for part in batched(values, CHUNK):
        found.update(connection.execute(sa.select(column).where(column.in_(part))).scalars())
    return found


def batched(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """``values`` in lists of at most ``size``."""
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part
