"""Alarms and letters."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.schema import alarms, letters
from lumen_workers.domain.runs import Alarm, Letter


class SqlNotices:
    """``NoticeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def raise_alarm(self, key: str, kind: str, severity: str, detail: str) -> bool:
        """Write it once. False: it stands already."""
        with self._database.write() as connection:
            alarm = Alarm(key=key, kind=kind, severity=severity, ts=self._database.now(connection), detail=detail)
            return self._database.insert_new(connection, alarms, plain(alarm))

    def alarms(self) -> list[Alarm]:
        """Every alarm, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(alarms).order_by(alarms.c.ts, alarms.c.key)).all()
        return [Alarm(**columns(Alarm, alarms, row)) for row in rows]

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

    def letters(self) -> list[Letter]:
        """Every letter, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(letters).order_by(letters.c.ts, letters.c.letter_id)).all()
        return [Letter(**columns(Letter, letters, row)) for row in rows]
