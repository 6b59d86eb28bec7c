"""Ticks: which slot of which schedule entry has run."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns
from lumen_workers.adapters.store.schema import ticks
from lumen_workers.domain.runs import TickState


class SqlTicks:
    """``TickStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, entry: str, region: str, slot: int) -> bool:
        """True for the first to ask for this or a later slot."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            values = {"entry": entry, "region": region, "since": now, "slot": slot, "started": now}
            return connection.execute(self._database.prepared(_claim), values).first() is not None

    def finish(self, entry: str, region: str, slot: int, outcome: str) -> None:
        """Note the end of a claimed slot; one that a later slot has replaced is left alone."""
        key = {"of_entry": entry, "of_region": region, "of_slot": slot}
        with self._database.write() as connection:
            connection.execute(_FINISH, key | {"ended": self._database.now(connection), "outcome": outcome})

    def states(self) -> list[TickState]:
        """The latest slot of every entry and region that has had one."""
        statement = sa.select(ticks).where(ticks.c.slot.is_not(None)).order_by(ticks.c.entry, ticks.c.region)
        with self._database.glance() as connection:
            return [TickState(**columns(TickState, ticks, row)) for row in connection.execute(statement)]

    def since(self, entry: str, region: str) -> datetime:
        """When this region first knew the entry; slots before it are not owed. Written at the first call."""
        mine = (ticks.c.entry == entry) & (ticks.c.region == region)
        with self._database.glance() as connection:
            known: datetime | None = connection.execute(sa.select(ticks.c.since).where(mine)).scalar()
        if known is not None:
            return known
        with self._database.write() as connection:
            now = self._database.now(connection)
            self._database.insert_new(connection, ticks, {"entry": entry, "region": region, "since": now})
            since: datetime = connection.execute(sa.select(ticks.c.since).where(mine)).scalar_one()
        return since

    def known_since(self, entry: str) -> datetime | None:
        """When the first region knew the entry; None: none does yet."""
        with self._database.glance() as connection:
            statement = sa.select(sa.func.min(ticks.c.since)).where(ticks.c.entry == entry)
            since: datetime | None = connection.execute(statement).scalar_one()
        return since


_FINISH = sa.update(ticks).where(
    ticks.c.entry == sa.bindparam("of_entry"),
    ticks.c.region == sa.bindparam("of_region"),
    ticks.c.slot == sa.bindparam("of_slot"),
    ticks.c.ended.is_(None),
)


def _claim(database: Database) -> sa.Executable:
    statement = database.insert(ticks)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[ticks.c.entry, ticks.c.region],
        set_={"slot": new.slot, "started": new.started, "ended": None, "outcome": None},
        where=ticks.c.slot.is_(None) | (ticks.c.slot < new.slot),
    ).returning(ticks.c.slot)
