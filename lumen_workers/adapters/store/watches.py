"""The self-tuner's changes: decided, applied and put under watch in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.journal import record
from lumen_workers.adapters.store.rows import columns
from lumen_workers.adapters.store.rules import append, present
from lumen_workers.adapters.store.schema import experiments, journal, rule_events, watches
from lumen_workers.domain.experiments import Watch
from lumen_workers.domain.journal import DECISION
from lumen_workers.domain.records import RuleEvent, RuleSpec


class SqlWatches:
    """``WatchStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def apply(
        self, decision_id: str, loop: str, spec: RuleSpec, new: float, *, actor: str, note: str, log: Mapping[str, Any]
    ) -> Watch | None:
        """Record the decision, the change and the watch, together."""
        with self._database.write() as connection:
            ledger.lock(connection, loop)
            taken = sa.select(sa.literal(1)).where(watches.c.running == loop)
            tried = sa.select(sa.literal(1)).where(experiments.c.running == loop)
            known = sa.select(sa.literal(1)).where(journal.c.entry_id == decision_id)
            if connection.execute(sa.union_all(taken, tried, known)).first() is not None:
                return None
            event = append(self._database, connection, loop, spec, new, actor=actor, note=note, automatic=True)
            record(
                self._database,
                connection,
                loop,
                DECISION,
                {**log, "applied": event.event_id},
                entry_id=decision_id,
            )
            watch = Watch(decision_id=decision_id, loop=loop, rule=spec.name, event_id=event.event_id, started=event.ts)
            connection.execute(
                sa.insert(watches).values(
                    decision_id=decision_id,
                    loop=loop,
                    running=loop,
                    rule=spec.name,
                    event_id=event.event_id,
                    started=event.ts,
                )
            )
        return watch

    def running(self, loop: str) -> Watch | None:
        """The one that is watched."""
        return self._first(watches.c.running == loop)

    def last(self, loop: str) -> Watch | None:
        """The newest that is settled."""
        return self._first((watches.c.loop == loop) & watches.c.settled.is_not(None))

    def settle(
        self,
        watch: Watch,
        outcome: str,
        why: str,
        *,
        spec: RuleSpec | None,
        back: bool,
        actor: str,
        log: Mapping[str, Any],
    ) -> tuple[bool, RuleEvent | None]:
        """End the watch, with the compensating change where it goes back. False: it had ended."""
        with self._database.write() as connection:
            ledger.lock(connection, watch.loop)
            open_ = (watches.c.decision_id == watch.decision_id) & watches.c.running.is_not(None)
            values = {"running": None, "settled": self._database.now(connection), "outcome": outcome, "why": why}
            if not connection.execute(sa.update(watches).where(open_).values(values)).rowcount:
                return False, None
            event = None
            row = connection.execute(
                sa.select(rule_events.c.old, rule_events.c.new).where(rule_events.c.event_id == watch.event_id)
            ).one()
            # A rule that somebody has changed since stays as they set it.
            if back and spec is not None and present(connection, watch.loop, spec) == row.new:
                event = append(
                    self._database,
                    connection,
                    watch.loop,
                    spec,
                    row.old,
                    actor=actor,
                    note=f"rollback of {watch.event_id}: {why}"[:500],
                    automatic=False,
                    undoes=watch.event_id,
                )
            record(
                self._database,
                connection,
                watch.loop,
                DECISION,
                {**log, "applied": None if event is None else event.event_id},
                entry_id=f"{watch.decision_id}-end",
            )
        return True, event

    def _first(self, where: sa.ColumnElement[bool]) -> Watch | None:
        statement = sa.select(watches).where(where).order_by(watches.c.started.desc()).limit(1)
        with self._database.glance() as connection:
            row = connection.execute(statement).first()
        return None if row is None else Watch(**columns(Watch, watches, row))
