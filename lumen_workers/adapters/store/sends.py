"""The outbox: what is to be told, to whom, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.audit import record
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns, plain
from lumen_workers.adapters.store.schema import sends
from lumen_workers.adapters.store.tallies import Count, count
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.notices import Send, SendState


class SqlSends:
    """``SendStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, rows: Sequence[Send]) -> int:
        """Write new ones; known message ids are left alone."""
        with self._database.write() as connection:
            return put(self._database, connection, rows)

    def claim(self, holder: str, hold: timedelta) -> Send | None:
        """The oldest due one → sending, held for ``hold``; None: nothing is due."""
        with self._database.glance() as connection:  # mostly there is nothing, and a look costs less than a write
            if connection.execute(self._oldest(self._database.now(connection))).first() is None:
                return None
        with self._database.write() as connection:
            now = self._database.now(connection)
            found = connection.execute(self._oldest(now).with_for_update(skip_locked=True)).scalar()
            if found is None:
                return None
            values = {
                "state": SendState.SENDING.value,
                "holder": holder,
                "until": now + hold,
                "tries": sends.c.tries + 1,
            }
            row = connection.execute(
                sa.update(sends).where(sends.c.message_id == found).values(values).returning(*sends.c)
            ).one()
            return _send(row)

    def settle(self, send: Send, state: SendState, *, detail: str, not_before: datetime | None = None) -> bool:
        """sending → what came of it, by its holder. False: its time ran out and it is in doubt."""
        mine = (sends.c.message_id == send.message_id) & (sends.c.holder == send.holder) & (sends.c.tries == send.tries)
        with self._database.write() as connection:
            values = {"state": state.value, "detail": detail, "not_before": not_before, "holder": None, "until": None}
            if state is SendState.SENT:
                values |= {"sent_at": self._database.now(connection), "sent_by": send.holder}
            # What is known to be taken may be told late: meanwhile it may have come to be in doubt.
            late = [SendState.IN_DOUBT.value] if state is SendState.SENT else []
            statement = (
                sa.update(sends).where(mine & sends.c.state.in_([SendState.SENDING.value, *late])).values(values)
            )
            if not connection.execute(statement).rowcount:
                return False
            if state is not SendState.DUE:
                _tell(self._database, connection, send, state, str(send.holder), detail)
            return True

    def doubt(self) -> list[Send]:
        """Those that were begun and whose time has run out: → in_doubt. Returns them."""
        stuck = sends.c.state == SendState.SENDING.value
        with self._database.glance() as connection:
            now = self._database.now(connection)
            if connection.execute(sa.select(sends.c.message_id).where(stuck & (sends.c.until <= now))).first() is None:
                return []
        with self._database.write() as connection:
            late = stuck & (sends.c.until <= self._database.now(connection))
            values = {
                "state": SendState.IN_DOUBT.value,
                "detail": sa.literal("begun by ") + sends.c.holder + sa.literal(", which did not say how it ended"),
                "until": None,
            }
            rows = [
                _send(row)
                for row in connection.execute(sa.update(sends).where(late).values(values).returning(*sends.c))
            ]
            # Counters first and at once, then the chains in order: two such transactions never wait in a ring.
            count(self._database, connection, [_counter(send, SendState.IN_DOUBT) for send in rows])
            for send in sorted(rows, key=lambda send: str(send.holder)):
                _record(self._database, connection, send, SendState.IN_DOUBT, str(send.holder), str(send.detail))
            return rows

    def decide(self, message_id: str, state: SendState, by: str) -> bool:
        """in_doubt or failed → due (send it again) or sent (it has arrived), as somebody who knows says.

        False: it is neither in doubt nor failed. Raises NotFound.
        """
        open_end = [SendState.IN_DOUBT.value, SendState.FAILED.value]
        with self._database.write() as connection:
            where = sends.c.message_id == message_id
            if connection.execute(sa.select(sends.c.message_id).where(where)).first() is None:
                raise NotFound(f"there is no send {message_id!r}; `lumen outbox list` shows them")
            values: dict[str, Any] = {
                "state": state.value,
                "tries": 0,
                "not_before": None,
                "holder": None,
                "until": None,
            }
            if state is SendState.SENT:
                values |= {"sent_at": self._database.now(connection), "sent_by": by}
            statement = sa.update(sends).where(where & sends.c.state.in_(open_end)).values(values)
            row = connection.execute(statement.returning(*sends.c)).first()
            if row is None:
                return False
            _tell(self._database, connection, _send(row), state, by, f"decided by {by}")
            return True

    def rows(self, *, state: SendState | None = None, limit: int | None = None) -> list[Send]:
        """Rows, newest first."""
        statement = sa.select(sends).order_by(sends.c.created.desc(), sends.c.message_id).limit(limit)
        if state is not None:
            statement = statement.where(sends.c.state == state.value)
        with self._database.glance() as connection:
            return [_send(row) for row in connection.execute(statement)]

    def undecided(self, limit: int) -> list[Send]:
        """The newest that are in doubt or have failed, at most ``limit``."""
        mine = sends.c.state.in_([SendState.IN_DOUBT.value, SendState.FAILED.value])
        statement = sa.select(sends).where(mine).order_by(sends.c.created.desc(), sends.c.message_id).limit(limit)
        with self._database.glance() as connection:
            return [_send(row) for row in connection.execute(statement)]

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        with self._database.glance() as connection:
            rows = connection.execute(sa.select(sends.c.state, sa.func.count()).group_by(sends.c.state)).all()
        return {state.value: 0 for state in SendState} | {state: int(number) for state, number in rows}

    @staticmethod
    def _oldest(now: datetime) -> sa.Select[tuple[str]]:
        due = sends.c.state == SendState.DUE.value
        ripe = sends.c.not_before.is_(None) | (sends.c.not_before <= now)
        return sa.select(sends.c.message_id).where(due & ripe).order_by(sends.c.created, sends.c.message_id).limit(1)


def put(database: Database, connection: sa.Connection, rows: Iterable[Send]) -> int:
    """Write sends inside a transaction; returns how many were new."""
    return sum(database.insert_new(connection, sends, plain(row)) for row in rows)


def _tell(database: Database, connection: sa.Connection, send: Send, state: SendState, actor: str, detail: str) -> None:
    count(database, connection, [_counter(send, state)])
    _record(database, connection, send, state, actor, detail)


def _counter(send: Send, state: SendState) -> Count:
    return "lumen_sends_total", {"kind": send.kind, "channel": send.channel, "state": state.value}


def _record(
    database: Database, connection: sa.Connection, send: Send, state: SendState, actor: str, detail: str
) -> None:
    record(
        database,
        connection,
        actor,
        f"{send.kind} {state.value}",
        subject=send.subject,
        trace_id=send.trace_id,
        detail={"to": send.recipient, "message_id": send.message_id, "detail": detail},
    )


def _send(row: Row) -> Send:
    return Send(**columns(Send, sends, row) | {"state": SendState(row.state)})
