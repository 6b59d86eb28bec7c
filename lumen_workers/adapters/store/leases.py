"""Leases with an epoch, by store time."""

from __future__ import annotations

from datetime import timedelta

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
            statement = self._database.insert(leases).values(name=name, holder=holder, epoch=1, expires=now + ttl)
            statement = statement.on_conflict_do_update(
                index_elements=[leases.c.name],
                set_={
                    "holder": statement.excluded.holder,
                    "epoch": leases.c.epoch + 1,
                    "expires": statement.excluded.expires,
                },
                where=None if steal else leases.c.expires <= now,
            )
            row = connection.execute(statement.returning(*leases.c)).first()
        return None if row is None else _lease(row)

    def renew(self, lease: Lease, ttl: timedelta) -> Lease:
        """Extend it. Raises LeaseLost if it was taken or released; one that merely expired is extended."""
        with self._database.write() as connection:
            values = {"expires": self._database.now(connection) + ttl}
            statement = sa.update(leases).where(_held(lease)).values(values).returning(*leases.c)
            row = connection.execute(statement).first()
            if row is None:
                hold(connection, lease)
                raise LeaseLost(f"lease {lease.name} is no longer held")
        return _lease(row)

    def release(self, lease: Lease) -> None:
        """Give it up early; a lost one is left alone."""
        with self._database.write() as connection:
            values = {"expires": self._database.now(connection), "holder": ""}
            connection.execute(sa.update(leases).where(_held(lease)).values(values))

    def get(self, name: str) -> Lease | None:
        """The row as it stands, expired or not; a released one has no holder (``""``)."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(leases).where(leases.c.name == name)).first()
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
    row = connection.execute(sa.select(leases).where(leases.c.name == lease.name).with_for_update(read=True)).first()
    if row is None or (row.epoch, row.holder) != (lease.epoch, lease.holder):
        taken = "it is gone" if row is None else f"epoch {row.epoch}, held by {row.holder or 'nobody'}"
        raise LeaseLost(f"lease {lease.name}: epoch {lease.epoch} of {lease.holder} is over ({taken})")


def _held(lease: Lease) -> sa.ColumnElement[bool]:
    return (leases.c.name == lease.name) & (leases.c.epoch == lease.epoch) & (leases.c.holder == lease.holder)


def _lease(row: Row) -> Lease:
    return Lease(**columns(Lease, leases, row))
