"""The audit log: one hash chain for each writing region, appended to in the transaction of what it tells."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns
from lumen_workers.adapters.store.schema import audit, audit_heads
from lumen_workers.domain.clock import from_us, iso
from lumen_workers.domain.regions import AuditEntry
from lumen_workers.trust import canonical
from lumen_workers.trust.audit.rows import GENESIS, hash_of

_CHUNK = 1000


class SqlAudit:
    """``AuditStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        actor: str,
        event: str,
        *,
        subject: str = "",
        pipeline: str = "",
        region: str = "",
        trace_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """Add a line to the chain of the actor's region."""
        with self._database.write() as connection:
            return record(
                self._database,
                connection,
                actor,
                event,
                subject=subject,
                pipeline=pipeline,
                region=region,
                trace_id=trace_id,
                detail=detail,
            )

    def rows(
        self, *, trace_id: str | None = None, subject: str | None = None, limit: int | None = None
    ) -> list[AuditEntry]:
        """Lines by time, oldest first; ``limit``: only so many, the newest."""
        statement = sa.select(audit).order_by(audit.c.ts.desc(), audit.c.chain.desc(), audit.c.seq.desc()).limit(limit)
        if trace_id is not None:
            statement = statement.where(audit.c.trace_id == trace_id)
        if subject is not None:
            statement = statement.where(audit.c.subject == subject)
        with self._database.glance() as connection:
            return [_entry(row) for row in connection.execute(statement)][::-1]

    def chains(self) -> dict[str, tuple[int, str]]:
        """Chain → its length and its head's hash."""
        with self._database.glance() as connection:
            rows = connection.execute(sa.select(audit_heads).order_by(audit_heads.c.chain)).all()
        return {row.chain: (row.seq, row.hash) for row in rows}

    def walk(self, chain: str) -> Iterator[AuditEntry]:
        """A whole chain, from its first line."""
        seen = 0
        while True:
            statement = sa.select(audit).where((audit.c.chain == chain) & (audit.c.seq > seen))
            with self._database.glance() as connection:
                rows = connection.execute(statement.order_by(audit.c.seq).limit(_CHUNK)).all()
            for row in rows:
                yield _entry(row)
                seen = row.seq
            if len(rows) < _CHUNK:
                return

    def names(self) -> list[str]:
        """Every chain that has lines or a head, sorted."""
        both = sa.union(sa.select(audit.c.chain), sa.select(audit_heads.c.chain))
        with self._database.glance() as connection:
            return sorted(str(name) for name in connection.execute(both).scalars())

    def raw(self, chain: str) -> Iterator[dict[str, Any]]:
        """A whole chain as the table has it, whatever stands there, by number."""
        rows: Sequence[Row] = ()
        while True:
            statement = _RAW.where(audit.c.chain == chain)
            if rows:
                statement = statement.where(audit.c.seq > rows[-1].seq)
            with self._database.glance() as connection:
                rows = connection.execute(statement).all()
            for row in rows:
                yield _found(row)
            if len(rows) < _CHUNK:
                return


def record(
    database: Database,
    connection: sa.Connection,
    actor: str,
    event: str,
    *,
    subject: str = "",
    pipeline: str = "",
    region: str = "",
    trace_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add a line inside a transaction. It locks the chain's head to the transaction's end, so it comes last there."""
    chain = actor.partition("/")[0]
    head = connection.execute(_HEAD, {"of_chain": chain}).first()
    if head is None:
        database.insert_new(connection, audit_heads, {"chain": chain, "seq": 0, "hash": GENESIS})
        head = connection.execute(_HEAD, {"of_chain": chain}).one()
    entry = AuditEntry(
        chain=chain,
        seq=head.seq + 1,
        ts=database.now(connection),
        actor=actor,
        pipeline=pipeline,
        region=region,
        trace_id=trace_id,
        event=event,
        subject=subject,
        detail=dict(detail or {}),
        prev=head.hash,
        hash="",
    )
    digest = hash_of(entry)
    stored = {"detail": canonical.dumps(entry.detail).decode(), "hash": digest}
    values = {name: getattr(entry, name) for name in _NAMES} | stored
    connection.execute(_INSERT, values)
    connection.execute(_MOVE_HEAD, {"of_chain": chain, "seq": entry.seq, "hash": digest})
    return replace(entry, hash=digest)


_NAMES = tuple(column.name for column in audit.c)
_OF_CHAIN = audit_heads.c.chain == sa.bindparam("of_chain")
_HEAD = sa.select(audit_heads).where(_OF_CHAIN).with_for_update()
_INSERT = sa.insert(audit)
_MOVE_HEAD = sa.update(audit_heads).where(_OF_CHAIN)
_TS = sa.type_coerce(audit.c.ts, sa.BigInteger).label("ts")
_RAW = sa.select(*(_TS if column is audit.c.ts else column for column in audit.c)).order_by(audit.c.seq).limit(_CHUNK)


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(**columns(AuditEntry, audit, row) | {"detail": json.loads(row.detail)})


def _found(row: Row) -> dict[str, Any]:
    """A row with its instant as text and its detail parsed; where we write them otherwise, as they stand there."""
    found = dict(row._mapping)
    with contextlib.suppress(OverflowError):  # an instant that no calendar has
        found["ts"] = iso(from_us(found["ts"])) if type(found["ts"]) is int else found["ts"]
    with contextlib.suppress(AttributeError, ValueError):
        detail = canonical.loads(found["detail"].encode())
        found["detail"] = detail if canonical.dumps(detail) == found["detail"].encode() else found["detail"]
    return found
