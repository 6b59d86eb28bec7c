"""The journal: append-only lines about loops."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns, plain, within
from lumen_workers.adapters.store.schema import journal
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import JournalEntry


class SqlJournal:
    """``JournalStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self, loop: str, kind: str, data: Mapping[str, Any], *, entry_id: str | None = None, ts: datetime | None = None
    ) -> JournalEntry | None:
        """Write a line at ``ts`` (default: now). None: the id is there already. Raises NotFound for an unknown loop."""
        with self._database.write() as connection:
            return record(self._database, connection, loop, kind, data, entry_id=entry_id, ts=ts)

    def insert(self, entries: Sequence[JournalEntry]) -> int:
        """Import lines as they are but with a new ``seq``; known ids are left alone. Returns how many were new.

        Raises NotFound for an unknown loop, UsageError for data that is no plain JSON.
        """
        by_loop: dict[str, list[JournalEntry]] = defaultdict(list)
        for entry in {entry.entry_id: entry for entry in entries}.values():
            _plain(entry.loop, entry.kind, entry.data)
            by_loop[entry.loop].append(entry)
        written = 0
        with self._database.write() as connection:
            for loop, own in sorted(by_loop.items()):
                ledger.lock(connection, loop)
                have = ledger.known(connection, journal.c.entry_id, (entry.entry_id for entry in own))
                new = sorted((e for e in own if e.entry_id not in have), key=lambda entry: (entry.ts, entry.seq))
                if not new:
                    continue
                numbers = ledger.take(connection, loop, len(new))
                rows = [plain(entry) | {"seq": seq} for entry, seq in zip(new, numbers, strict=True)]
                connection.execute(sa.insert(journal), rows)
                written += len(new)
        return written

    def rows(
        self,
        kind: str | None = None,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        limit: int | None = None,
    ) -> list[JournalEntry]:
        """Lines by ``ts`` (start inclusive, end exclusive), oldest first; ``limit``: only so many, the newest."""
        statement = within(sa.select(journal), journal, loop=loop, start=start, end=end, upto=upto)
        if kind is not None:
            statement = statement.where(journal.c.kind == kind)
        order = (journal.c.ts, journal.c.loop, journal.c.seq)
        newest_first = limit is not None
        statement = statement.order_by(*(column.desc() if newest_first else column for column in order)).limit(limit)
        with self._database.glance() as connection:
            found = [_entry(row) for row in connection.execute(statement)]
        return found[::-1] if newest_first else found

    def get(self, entry_id: str) -> JournalEntry | None:
        """One line."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(journal).where(journal.c.entry_id == entry_id)).first()
        return None if row is None else _entry(row)


def record(
    database: Database,
    connection: sa.Connection,
    loop: str,
    kind: str,
    data: Mapping[str, Any],
    *,
    entry_id: str | None = None,
    ts: datetime | None = None,
) -> JournalEntry | None:
    """Write a line inside a transaction, for what it tells of. None: the id is there already.

    Raises NotFound for an unknown loop, UsageError for data that is no plain JSON (NaN is none).
    """
    values = _plain(loop, kind, data)
    last = ledger.lock(connection, loop)
    if entry_id is not None and ledger.known(connection, journal.c.entry_id, [entry_id]):
        return None
    ts = ts or database.now(connection)
    # With what it says in it: the first line of another home, imported here, must not pass for this one.
    entry_id = entry_id or content_id("jr", loop, last, kind, iso(ts), json.dumps(values, sort_keys=True))
    seq = ledger.take(connection, loop, 1)[0]
    entry = JournalEntry(entry_id=entry_id, loop=loop, seq=seq, kind=kind, ts=ts, data=values)
    # Another loop may have a line of this id, which no lock of this one covers.
    return entry if database.insert_new(connection, journal, plain(entry)) else None


def _plain(loop: str, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` as it comes back from the store."""
    try:
        values: dict[str, Any] = json.loads(json.dumps(dict(data), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"loop {loop}: the journal holds plain JSON only, not this {kind}: {error}") from None
    return values


def _entry(row: sa.Row[Any]) -> JournalEntry:
    return JournalEntry(**columns(JournalEntry, journal, row))
