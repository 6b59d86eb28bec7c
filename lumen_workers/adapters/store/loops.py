"""Which loops there are, and what has been commanded of them."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store import audit, journal
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import loops
from lumen_workers.domain.gateway import LOOP_SET, SYNC_MODE, LoopSetting
from lumen_workers.domain.journal import COMMAND, JournalEntry


class SqlLoops:
    """``LoopStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, name: str, rate_hz: int, source: str) -> None:
        """Make the loop known, or update its rate and source."""
        statement = self._database.insert(loops).values(name=name, rate_hz=rate_hz, source=source)
        statement = statement.on_conflict_do_update(
            index_elements=[loops.c.name],
            set_={"rate_hz": statement.excluded.rate_hz, "source": statement.excluded.source},
            where=(loops.c.rate_hz != statement.excluded.rate_hz) | (loops.c.source != statement.excluded.source),
        )
        with self._database.write() as connection:
            connection.execute(statement)

    def command(
        self,
        name: str,
        *,
        by: str,
        note: str = "",
        rate_hz: int | None = None,
        declared_hz: int | None = None,
        sync_mode: str | None = None,
    ) -> JournalEntry:
        """Record ``loop.set`` on the control bus, and let it hold from now on. Raises NotFound for an unknown loop."""
        given = {"rate_hz": rate_hz, "sync_mode": sync_mode}
        asked = {name_: value for name_, value in given.items() if value is not None}
        with self._database.write() as connection:
            line = {"cmd": LOOP_SET, "by": by, "note": note, **asked}
            entry = journal.record(self._database, connection, name, COMMAND, line)
            assert entry is not None, "an id of its own"
            values: dict[str, int | str] = {}
            if rate_hz is not None and declared_hz is not None:
                values |= {"rate_hz": rate_hz, "set_hz": rate_hz, "declared_hz": declared_hz}
            if sync_mode is not None:
                values["sync_mode"] = sync_mode
            if values:
                connection.execute(sa.update(loops).where(loops.c.name == name).values(values))
            audit.record(
                self._database, connection, by, LOOP_SET, subject=f"loop/{name}", detail={**asked, "note": note}
            )
        return entry

    def settings(self) -> dict[str, LoopSetting]:
        """What ``loop.set`` last said of each loop, sorted by name."""
        with self._database.glance() as connection:
            rows = connection.execute(
                sa.select(loops.c.name, loops.c.set_hz, loops.c.declared_hz, loops.c.sync_mode).order_by(loops.c.name)
            ).all()
        return {
            row.name: LoopSetting(
                loop=row.name,
                rate_hz=row.set_hz,
                declared_hz=row.declared_hz,
                sync_mode=row.sync_mode or SYNC_MODE,
            )
            for row in rows
        }

    def rates(self) -> dict[str, int]:
        """Every known loop with its rate in Hz, sorted by name."""
        with self._database.glance() as connection:
            rows = connection.execute(sa.select(loops.c.name, loops.c.rate_hz)).all()
        return dict(sorted((row.name, row.rate_hz) for row in rows))

    def watermark(self) -> dict[str, int]:
        """Loop → its last ledger number, sorted by name.

        A plain read is enough and holds nobody back: a number is visible only once its transaction has committed, and
        the transaction that had a lower one must have ended before, since both lock the loop's row.
        """
        with self._database.glance() as connection:
            rows = connection.execute(sa.select(loops.c.name, loops.c.seq)).all()
        return dict(sorted((row.name, row.seq) for row in rows))
