"""The audit log: one hash chain for each writing region, appended to in the transaction of what it tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns
from lumen_workers.adapters.store.schema import audit, audit_heads
from lumen_workers.domain.clock import iso
from lumen_workers.domain.regions import AuditEntry

GENESIS = "0" * 64
"""What the first line of a chain stands on."""

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
    values = {name: getattr(entry, name) for name in _NAMES} | {"detail": _canonical(entry.detail), "hash": digest}
    connection.execute(_INSERT, values)
    connection.execute(_MOVE_HEAD, {"of_chain": chain, "seq": entry.seq, "hash": digest})
    return replace(entry, hash=digest)


_NAMES = tuple(column.name for column in audit.c)
_OF_CHAIN = audit_heads.c.chain == sa.bindparam("of_chain")
_HEAD = sa.select(audit_heads).where(_OF_CHAIN).with_for_update()
_INSERT = sa.insert(audit)
_MOVE_HEAD = sa.update(audit_heads).where(_OF_CHAIN)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256, hex, of the canonical JSON of everything in ``entry`` but its hash."""
    data = {name: getattr(entry, name) for name in _NAMES if name != "hash"} | {"ts": iso(entry.ts)}
    return hashlib.sha256(_canonical(data).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(**columns(AuditEntry, audit, row) | {"detail": json.loads(row.detail)})
