"""Signs of life of each region's lanes, and the switches that people set."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from lumen_workers.adapters.store.audit import record
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns
from lumen_workers.adapters.store.schema import pulses, switches
from lumen_workers.domain.regions import Pulse, Switch


class SqlPulses:
    """``PulseStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, region: str, lane: str, host: str, holder: str, code_version: str) -> None:
        """Note a sign of life; ``started`` moves when the holder changes."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            statement = self._database.insert(pulses).values(
                region=region, lane=lane, host=host, holder=holder, started=now, seen=now, code_version=code_version
            )
            new = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=[pulses.c.region, pulses.c.lane, pulses.c.host],
                set_={
                    "started": sa.case((pulses.c.holder == new.holder, pulses.c.started), else_=new.started),
                    "holder": new.holder,
                    "seen": new.seen,
                    "code_version": new.code_version,
                },
            )
            connection.execute(statement)

    def rows(self) -> list[Pulse]:
        """The last sign of each lane of each region on each host."""
        statement = sa.select(pulses).order_by(pulses.c.region, pulses.c.lane, pulses.c.host)
        with self._database.glance() as connection:
            return [Pulse(**columns(Pulse, pulses, row)) for row in connection.execute(statement)]

    def prune(self, before: datetime) -> int:
        """Forget hosts that were last seen before ``before``; the newest sign of each lane stays, however old."""
        other = pulses.alias()
        newer = (other.c.region == pulses.c.region) & (other.c.lane == pulses.c.lane) & (other.c.seen > pulses.c.seen)
        old = sa.delete(pulses).where(pulses.c.seen < before, sa.exists().where(newer))
        with self._database.write() as connection:
            return connection.execute(old).rowcount


class SqlSwitches:
    """``SwitchStore``. Turning one is told in the audit log, in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def turn_on(self, name: str, by: str, note: str = "") -> bool:
        """False: it was on."""
        with self._database.write() as connection:
            switch = {"name": name, "by": by, "since": self._database.now(connection), "note": note}
            if not self._database.insert_new(connection, switches, switch):
                return False
            record(self._database, connection, by, "switched on", subject=name, detail={"note": note})
            return True

    def turn_off(self, name: str, by: str) -> bool:
        """False: it was off."""
        with self._database.write() as connection:
            if not connection.execute(sa.delete(switches).where(switches.c.name == name)).rowcount:
                return False
            record(self._database, connection, by, "switched off", subject=name)
            return True

    def rows(self) -> list[Switch]:
        """Those that are on, by name."""
        with self._database.glance() as connection:
            return [
                Switch(**columns(Switch, switches, row))
                for row in connection.execute(sa.select(switches).order_by(switches.c.name))
            ]


def is_on(connection: sa.Connection, name: str) -> bool:
    """Whether a switch is on, inside a transaction."""
    return connection.execute(sa.select(switches.c.name).where(switches.c.name == name)).first() is not None
