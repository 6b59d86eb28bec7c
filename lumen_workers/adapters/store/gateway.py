"""Gateways: each step is written with its line in the journal, its command, its rollback and its audit line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import audit, journal, ledger, rules
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.schema import gateways, rule_events
from lumen_workers.domain.gateway import Gateway, Key, Moved, Status, Step
from lumen_workers.domain.journal import COMMAND, GATEWAY
from lumen_workers.domain.records import RuleEvent, RuleSpec

ACTOR = "gateway"
"""Who rolls back, in the rule history."""


class SqlGateways:
    """``GatewayStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, loop: str) -> Gateway | None:
        """The loop's gateway."""
        with self._database.glance() as connection:
            return _get(connection, loop)

    def rows(self) -> list[Gateway]:
        """All of them, by loop."""
        with self._database.glance() as connection:
            return [_gateway(row) for row in connection.execute(sa.select(gateways).order_by(gateways.c.loop))]

    def move(
        self,
        loop: str,
        before: Gateway | None,
        steps: Sequence[Step],
        *,
        command: Mapping[str, Any] | None = None,
        undo: Mapping[str, RuleSpec] | None = None,
    ) -> Moved | None:
        """Take the steps in one transaction. None: the gateway is no longer as it was ``before``."""
        with self._database.write() as connection:
            ledger.lock(connection, loop)
            if _get(connection, loop) != before:
                return None
            if command is not None:
                journal.record(self._database, connection, loop, COMMAND, command)
            undone = None if undo is None else self._undo(connection, loop, undo, steps[-1].why)
            gateway = before
            for step in steps:
                gateway = self._step(connection, loop, gateway, step, undone)
            assert gateway is not None
            # Behind all else: an audit line holds its chain's head to the end.
            for step in steps:
                audit.record(
                    self._database,
                    connection,
                    step.by,
                    f"gateway {step.act.value.lower()}",
                    subject=f"gateway/{loop}",
                    detail={"status": step.status.value, "why": step.why, **step.detail},
                )
        return Moved(gateway=gateway, undone=undone)

    def _step(
        self, connection: sa.Connection, loop: str, before: Gateway | None, step: Step, undone: RuleEvent | None
    ) -> Gateway:
        was = None if before is None else before.status
        line = {
            "tag": step.act.value,
            "from": None if was is None else was.value,
            "to": step.status.value,
            "by": step.by,
            "why": step.why,
            **step.detail,
        }
        if undone is not None:
            line["undone"] = undone.undoes
        entry = journal.record(self._database, connection, loop, GATEWAY, line)
        assert entry is not None, "an id of its own"
        made = Gateway(
            loop=loop,
            status=step.status,
            version=1 if before is None else before.version + 1,
            since=before.since if before is not None and was is step.status else entry.ts,
            entry_id=entry.entry_id,
            key=step.key or (None if before is None else before.key),
        )
        values = _values(made)
        statement = self._database.insert(gateways).values(values)
        connection.execute(statement.on_conflict_do_update(index_elements=[gateways.c.loop], set_=values))
        return made

    def _undo(self, connection: sa.Connection, loop: str, specs: Mapping[str, RuleSpec], why: str) -> RuleEvent | None:
        """Roll the last automatic change back, where it is still what the rule has."""
        automatic = (rule_events.c.loop == loop) & rule_events.c.automatic & rule_events.c.undoes.is_(None)
        event = connection.execute(
            sa.select(rule_events).where(automatic).order_by(rule_events.c.ts.desc(), rule_events.c.seq.desc()).limit(1)
        ).first()
        if event is None or event.rule not in specs:
            return None
        spec = specs[event.rule]
        undone = sa.select(sa.literal(1)).where(rule_events.c.loop == loop, rule_events.c.undoes == event.event_id)
        if connection.execute(undone).first() is not None or not spec.min <= event.old <= spec.max:
            return None
        if rules.present(connection, loop, spec) != event.new:
            return None
        # Not automatic: a pause holds back what Lumen tries, not what takes it back.
        return rules.append(
            self._database,
            connection,
            loop,
            spec,
            event.old,
            actor=ACTOR,
            note=f"rollback of {event.event_id}: {why}"[:500],
            automatic=False,
            undoes=event.event_id,
        )


def _get(connection: sa.Connection, loop: str) -> Gateway | None:
    row = connection.execute(sa.select(gateways).where(gateways.c.loop == loop)).first()
    return None if row is None else _gateway(row)


def _gateway(row: sa.Row[Any]) -> Gateway:
    key = None
    if row.phrase_sha256 is not None:
        key = Key(signer=row.signer, phrase_sha256=row.phrase_sha256, confirm_sha256=row.confirm_sha256)
    return Gateway(
        loop=row.loop,
        status=Status(row.status),
        version=row.version,
        since=row.since,
        entry_id=row.entry_id,
        key=key,
    )


def _values(gateway: Gateway) -> dict[str, Any]:
    key = gateway.key
    return {
        "loop": gateway.loop,
        "status": gateway.status.value,
        "version": gateway.version,
        "since": gateway.since,
        "entry_id": gateway.entry_id,
        "signer": None if key is None else key.signer,
        "phrase_sha256": None if key is None else key.phrase_sha256,
        "confirm_sha256": None if key is None else key.confirm_sha256,
    }
