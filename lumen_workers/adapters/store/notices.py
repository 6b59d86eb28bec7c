"""Alarms and letters."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.audit import record
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns, plain
from lumen_workers.adapters.store.schema import alarms, letters
from lumen_workers.adapters.store.sends import put
from lumen_workers.adapters.store.tallies import count
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import Alarm, Letter, LetterState, Send


class SqlNotices:
    """``NoticeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def raise_alarm(
        self,
        key: str,
        kind: str,
        severity: AlarmSeverity,
        detail: str,
        *,
        facts: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> bool:
        """Write it, or let a resolved one stand again. False: it stands already."""
        with self._database.glance() as connection:  # alarms are looked at often and raised seldom
            if connection.execute(_standing(key)).first() is not None:
                return False
        with self._database.write() as connection:
            return stand(self._database, connection, key, kind, severity, detail, facts=facts, trace_id=trace_id)

    def resolve(self, key: str, by: str) -> bool:
        """It is over. False: it does not stand."""
        with self._database.glance() as connection:
            if connection.execute(_standing(key)).first() is None:
                return False
        with self._database.write() as connection:
            return end(self._database, connection, key, by)

    def alarms(self, *, standing: bool = False, limit: int | None = None) -> list[Alarm]:
        """Alarms, oldest first; ``standing``: only those that are not resolved; ``limit``: only so many, the newest."""
        statement = sa.select(alarms).order_by(alarms.c.ts.desc(), alarms.c.key.desc()).limit(limit)
        if standing:
            statement = statement.where(alarms.c.resolved_at.is_(None))
        with self._database.glance() as connection:
            return [_alarm(row) for row in connection.execute(statement)][::-1]

    def alarm(self, key: str) -> Alarm | None:
        """One alarm."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(alarms).where(alarms.c.key == key)).first()
        return None if row is None else _alarm(row)

    def unrouted(self) -> list[Alarm]:
        """Alarms that the outbox has not taken over, oldest first."""
        statement = (
            sa.select(alarms)
            .where(alarms.c.routed_at.is_(None), alarms.c.resolved_at.is_(None))
            .order_by(alarms.c.ts, alarms.c.key)
        )
        with self._database.glance() as connection:
            return [_alarm(row) for row in connection.execute(statement)]

    def route(self, alarm: Alarm, sends: Sequence[Send]) -> bool:
        """Put ``sends`` into the outbox and mark the alarm, in one transaction. False: somebody else has."""
        mine = (alarms.c.key == alarm.key) & (alarms.c.occurrence == alarm.occurrence) & alarms.c.routed_at.is_(None)
        with self._database.write() as connection:
            values = {"routed_at": self._database.now(connection)}
            if not connection.execute(sa.update(alarms).where(mine).values(values)).rowcount:
                return False
            put(self._database, connection, sends)
            return True

    def refuse(self, task: str, region: str, reason: str, payload: str, trace_id: str | None) -> Letter:
        """Keep a message that was refused."""
        with self._database.write() as connection:
            letter = Letter(
                letter_id=f"letter-{secrets.token_hex(8)}",
                ts=self._database.now(connection),
                task=task,
                region=region,
                reason=reason,
                payload=payload,
                trace_id=trace_id,
            )
            connection.execute(sa.insert(letters).values(plain(letter)))
        return letter

    def letters(
        self, *, state: LetterState | None = None, trace_id: str | None = None, limit: int | None = None
    ) -> list[Letter]:
        """Letters, oldest first; ``limit``: only so many, the newest."""
        statement = sa.select(letters).order_by(letters.c.ts.desc(), letters.c.letter_id.desc()).limit(limit)
        if state is not None:
            statement = statement.where(letters.c.state == state.value)
        if trace_id is not None:
            statement = statement.where(letters.c.trace_id == trace_id)
        with self._database.glance() as connection:
            return [_letter(row) for row in connection.execute(statement)][::-1]

    def letter_counts(self) -> dict[str, int]:
        """How many letters there are in each state."""
        statement = sa.select(letters.c.state, sa.func.count()).group_by(letters.c.state)
        with self._database.glance() as connection:
            rows = connection.execute(statement).all()
        return {state.value: 0 for state in LetterState} | {state: int(number) for state, number in rows}

    def letter(self, letter_id: str) -> Letter:
        """One letter. Raises NotFound."""
        with self._database.glance() as connection:
            row = connection.execute(sa.select(letters).where(letters.c.letter_id == letter_id)).first()
        if row is None:
            raise NotFound(f"there is no letter {letter_id!r}; `lumen letters list` shows them")
        return _letter(row)

    def handle(self, letter_id: str, state: LetterState, by: str) -> bool:
        """kept → replayed or discarded, once. False: it was handled."""
        where = (letters.c.letter_id == letter_id) & (letters.c.state == LetterState.KEPT.value)
        with self._database.write() as connection:
            values = {"state": state.value, "handled_by": by, "handled_at": self._database.now(connection)}
            row = connection.execute(sa.update(letters).where(where).values(values).returning(*letters.c)).first()
            if row is None:
                return False
            record(
                self._database,
                connection,
                by,
                f"letter {state.value}",
                subject=letter_id,
                region=row.region,
                trace_id=row.trace_id,
                detail={"task": row.task},
            )
            return True

    def take_back(self, letter_id: str, by: str) -> None:
        """replayed by ``by`` → kept: what was to be sent could not be."""
        mine = (letters.c.letter_id == letter_id) & (letters.c.handled_by == by)
        mine &= letters.c.state == LetterState.REPLAYED.value
        with self._database.write() as connection:
            values = {"state": LetterState.KEPT.value, "handled_by": None, "handled_at": None}
            connection.execute(sa.update(letters).where(mine).values(values))


def stand(
    database: Database,
    connection: sa.Connection,
    key: str,
    kind: str,
    severity: AlarmSeverity,
    detail: str,
    *,
    facts: Mapping[str, Any] | None = None,
    trace_id: str | None = None,
) -> bool:
    """Raise an alarm inside a transaction, for what must be told of it. False: it stands already."""
    alarm = Alarm(
        key=key,
        kind=kind,
        severity=severity,
        ts=database.now(connection),
        detail=detail,
        facts=dict(facts or {}),
        trace_id=trace_id,
    )
    again = {name: value for name, value in plain(alarm).items() if name not in ("key", "occurrence")}
    statement = database.insert(alarms).values(plain(alarm))
    statement = statement.on_conflict_do_update(
        index_elements=[alarms.c.key],
        set_={name: statement.excluded[name] for name in again} | {"occurrence": alarms.c.occurrence + 1},
        where=alarms.c.resolved_at.is_not(None),
    )
    if connection.execute(statement.returning(alarms.c.key)).first() is None:
        return False
    count(database, connection, [("lumen_alarms_total", {"kind": kind, "severity": severity.value})])
    return True


def end(database: Database, connection: sa.Connection, key: str, by: str) -> bool:
    """Resolve an alarm inside a transaction. False: it does not stand."""
    values = {"resolved_at": database.now(connection), "resolved_by": by}
    where = (alarms.c.key == key) & alarms.c.resolved_at.is_(None)
    found = connection.execute(sa.update(alarms).where(where).values(values).returning(alarms.c.trace_id)).first()
    if found is None:
        return False
    record(database, connection, by, "alarm resolved", subject=key, trace_id=found.trace_id)
    return True


def _standing(key: str) -> sa.Select[tuple[str]]:
    return sa.select(alarms.c.key).where((alarms.c.key == key) & alarms.c.resolved_at.is_(None))


def _alarm(row: Row) -> Alarm:
    return Alarm(**columns(Alarm, alarms, row) | {"severity": AlarmSeverity(row.severity), "facts": row.facts or {}})


def _letter(row: Row) -> Letter:
    return Letter(**columns(Letter, letters, row) | {"state": LetterState(row.state)})
