"""Leases with an epoch, by store time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns
from lumen_workers.adapters.store.schema import leases
from lumen_workers.domain.errors import LeaseLost
from lumen_workers.domain.runs import Lease


class SqlLeases:
    """``LeaseStore``. A row is never deleted: the epoch must go on rising."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, holder: str, ttl: timedelta, *, steal: bool = False) -> Lease | None:
        """Take a free or expired lease (``steal``: also a held one), raising the epoch. None: somebody holds it."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            values = {"name": name, "holder": holder, "epoch": 1, "expires": now + ttl}
            statement = self._database.prepared(_steal if steal else _take)
            row = connection.execute(statement, values if steal else values | {"now": now}).first()
        return None if row is None else _lease(row)

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Extend it. Raises LeaseLost if it was taken or released; one that merely expired is extended."""
        with self._database.write() as connection:
            expires = self._database.now(connection) + ttl
            row = connection.execute(_RENEW, _key(lease) | {"expires": expires}).first()
            if row is None:
                hold(connection, lease)
                raise LeaseLost(f"lease {lease.name} is no longer held")
        return _lease(row)

    def release(self, lease: Lease) -> None:
        """Give it up early; a lost one is left alone."""
        with self._database.write() as connection:
            let_go(self._database, connection, lease)

    def get(self, name: str) -> Lease | None:
        """The row as it stands, expired or not; a released one has no holder (``""``)."""
        with self._database.glance() as connection:
            row = connection.execute(_ONE, {"of_name": name}).first()
        return None if row is None else _lease(row)

    def live(self) -> list[Lease]:
        """Those that somebody holds now, by name. Of the others there is one for each day that was ever worked on."""
        with self._database.glance() as connection:
            held = (leases.c.expires > self._database.now(connection)) & (leases.c.holder != "")
            return [_lease(row) for row in connection.execute(sa.select(leases).where(held).order_by(leases.c.name))]


def hold(connection: sa.Connection, lease: Lease) -> None:
    """Fence a write: keep the lease as it is until this transaction ends. Raises LeaseLost if another has it.

    An expired lease that nobody took still counts: fencing goes by the epoch, not by the clock.
    """
    row = connection.execute(_ONE_KEPT, {"of_name": lease.name}).first()
    if row is None or (row.epoch, row.holder) != (lease.epoch, lease.holder):
        taken = "it is gone" if row is None else f"epoch {row.epoch}, held by {row.holder or 'nobody'}"
        raise LeaseLost(f"lease {lease.name}: epoch {lease.epoch} of {lease.holder} is over ({taken})")


def let_go(database: Database, connection: sa.Connection, lease: Lease) -> None:
    """Give a lease up inside a transaction; a lost one is left alone."""
    connection.execute(_HELD, _key(lease) | {"expires": database.now(connection), "holder": ""})


_ONE = sa.select(leases).where(leases.c.name == sa.bindparam("of_name"))
_ONE_KEPT = _ONE.with_for_update(read=True)
_HELD = sa.update(leases).where(
    leases.c.name == sa.bindparam("of_name"),
    leases.c.epoch == sa.bindparam("of_epoch"),
    leases.c.holder == sa.bindparam("of_holder"),
)
_RENEW = _HELD.returning(*leases.c)


def _steal(database: Database) -> sa.Executable:
    return _taken(database, None)


def _take(database: Database) -> sa.Executable:
    return _taken(database, leases.c.expires <= sa.bindparam("now", type_=leases.c.expires.type))


def _taken(database: Database, free: sa.ColumnElement[bool] | None) -> sa.Executable:
    statement = database.insert(leases)
    new = statement.excluded
    values = {"holder": new.holder, "epoch": leases.c.epoch + 1, "expires": new.expires}
    return statement.on_conflict_do_update(index_elements=[leases.c.name], set_=values, where=free).returning(*leases.c)


def _key(lease: Lease) -> dict[str, Any]:
    return {"of_name": lease.name, "of_epoch": lease.epoch, "of_holder": lease.holder}


def _lease(row: Row) -> Lease:
    return Lease(**columns(Lease, leases, row))
