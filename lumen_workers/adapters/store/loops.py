"""Which loops there are."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import loops


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
