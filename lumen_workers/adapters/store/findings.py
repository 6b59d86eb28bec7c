"""Quotes and risks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.effects import UNSPOKEN, open_effects
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns, plain, within
from lumen_workers.adapters.store.schema import effect_marks, effects, quotes, risks
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.records import Quote, Risk, Severity


class SqlFindings:
    """``FindingStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, effect_id: str, quote: Quote | None, risk: Risk | None) -> bool:
        """Write both and mark the effect as looked at, in one transaction. False: it had been. Raises NotFound."""
        with self._database.write() as connection:
            loop = connection.execute(sa.select(effects.c.loop).where(effects.c.effect_id == effect_id)).scalar()
            if loop is None:
                raise NotFound(f"effect {effect_id!r} is not known")
            ledger.lock(connection, loop)
            if not self._database.insert_new(connection, effect_marks, {"effect_id": effect_id}):
                return False
            for table, row in ((quotes, quote), (risks, risk)):
                if row is not None:
                    seq = ledger.take(connection, loop, 1)[0]
                    connection.execute(sa.insert(table).values(plain(row) | {"loop": loop, "seq": seq}))
            ledger.raise_floor(self._database, connection, loop, UNSPOKEN, open_effects(connection, loop).limit(1))
        return True

    def quotes(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
    ) -> list[Quote]:
        """Quotes by ``ts``, oldest first."""
        rows = self._rows(quotes, loop, start, end, upto)
        return [Quote(**columns(Quote, quotes, row)) for row in rows]

    def risks(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
    ) -> list[Risk]:
        """Risks by ``ts``, oldest first."""
        rows = self._rows(risks, loop, start, end, upto)
        return [Risk(**columns(Risk, risks, row) | {"severity": Severity(row.severity)}) for row in rows]

    def insert(self, quotes_: Sequence[Quote], risks_: Sequence[Risk]) -> int:
        """Import rows as they are but with a new ``seq``; known ids are left alone. Returns how many were new.

        Their effects count as looked at, so that nothing is said about them a second time.
        """
        by_loop: dict[str, list[tuple[sa.Table, str, Quote | Risk]]] = defaultdict(list)
        for quote in quotes_:
            by_loop[quote.loop].append((quotes, quote.quote_id, quote))
        for risk in risks_:
            by_loop[risk.loop].append((risks, risk.risk_id, risk))
        written = 0
        with self._database.write() as connection:
            for loop, own in sorted(by_loop.items()):
                ledger.lock(connection, loop)
                have = {
                    table: ledger.known(connection, table.primary_key.columns[0], (i for t, i, _ in own if t is table))
                    for table in (quotes, risks)
                }
                new = {(table, id_): row for table, id_, row in own if id_ not in have[table]}
                for (table, _), row in sorted(new.items(), key=lambda item: (item[1].ts, item[1].seq)):
                    seq = ledger.take(connection, loop, 1)[0]
                    connection.execute(sa.insert(table).values(plain(row) | {"seq": seq}))
                    self._database.insert_new(connection, effect_marks, {"effect_id": row.effect_id})
                written += len(new)
        return written

    def _rows(
        self, table: sa.Table, loop: str | None, start: datetime | None, end: datetime | None, upto: int | None
    ) -> Sequence[sa.Row[Any]]:
        statement = within(sa.select(table), table, loop=loop, start=start, end=end, upto=upto)
        with self._database.glance() as connection:
            return connection.execute(statement.order_by(table.c.ts, table.c.loop, table.c.seq)).all()
