"""The rule history: append-only events, when each was applied, and the present values."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import failures, ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.pulses import is_on
from lumen_workers.adapters.store.rows import event_columns, event_of, event_values, events_joined, within
from lumen_workers.adapters.store.schema import rule_applied, rule_events, rule_failed, rule_values
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import Paused, UsageError
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import RuleEvent, RuleSpec, RuleValue
from lumen_workers.domain.regions import PAUSE

_UNAPPLIED = "unapplied events"

REPAIRER = "lumen"
"""Who takes a failed change back, in the rule history."""


class SqlRules:
    """``RuleStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        loop: str,
        spec: RuleSpec,
        new: float,
        *,
        actor: str,
        note: str = "",
        automatic: bool = False,
        undoes: str | None = None,
    ) -> RuleEvent:
        """Record a change in one transaction; ``old`` is what the rule has then.

        Raises UsageError when ``new`` is outside the bounds, not a number, or what the rule has already; NotFound for
        an unknown loop; Paused for an automatic change while automatic changes are paused.
        """
        with self._database.write() as connection:
            return append(
                self._database, connection, loop, spec, new, actor=actor, note=note, automatic=automatic, undoes=undoes
            )

    def insert(self, events: Sequence[RuleEvent]) -> int:
        """Import events as they are but with a new ``seq``; known ids are left alone. Returns how many were new.

        A rule that has had an event of its own here keeps its value: imported history does not move it.
        """
        by_loop: dict[str, list[RuleEvent]] = defaultdict(list)
        for event in {event.event_id: event for event in events}.values():
            by_loop[event.loop].append(event)
        written = 0
        with self._database.write() as connection:
            # Loops are locked in one order, so that two imports cannot wait for each other.
            for loop, own in sorted(by_loop.items()):
                ledger.lock(connection, loop)
                have = ledger.known(connection, rule_events.c.event_id, (event.event_id for event in own))
                new = sorted((e for e in own if e.event_id not in have), key=lambda event: (event.ts, event.seq))
                if not new:
                    continue
                numbers = ledger.take(connection, loop, len(new))
                rows = [event_values(event) | {"seq": seq} for event, seq in zip(new, numbers, strict=True)]
                connection.execute(sa.insert(rule_events), rows)
                applied = [
                    {"event_id": e.event_id, "loop": loop, "seq": seq, "applied_at": e.applied_at, "actuator": "import"}
                    for e, seq in zip(new, numbers, strict=True)
                    if e.applied_at is not None
                ]
                if applied:
                    connection.execute(sa.insert(rule_applied), applied)
                if failed := _failed_rows(new, numbers):
                    connection.execute(sa.insert(rule_failed), failed)
                for event in {event.rule: event for event in new}.values():
                    _set(self._database, connection, event, imported=True)
                written += len(new)
        return written

    def applied(self, event_id: str, applied_at: datetime, actuator: str, *, by: str = "lumen") -> bool:
        """The loop has the value. False: that was noted, or the change has failed. Raises NotFound.

        What has failed stays so; ``by`` notes the late acknowledgement in the audit log.
        """
        with self._database.write() as connection:
            event = failures.load(connection, event_id)
            loop = event.loop
            ledger.lock(connection, loop)
            if not failures.is_open(connection, event_id):
                if failures.is_failed(connection, event_id):
                    failures.came_late(self._database, connection, event, actuator, by)
                return False
            seq = ledger.take(connection, loop, 1)[0]
            row = {"event_id": event_id, "loop": loop, "seq": seq, "applied_at": applied_at, "actuator": actuator}
            connection.execute(sa.insert(rule_applied).values(row))
            first = _unapplied(connection, loop, rule_events.c.seq).limit(1)
            ledger.raise_floor(self._database, connection, loop, _UNAPPLIED, first)
            failures.taken(self._database, connection, event, by)
            return True

    def fail(
        self, event_id: str, spec: RuleSpec | None, why: str, *, by: str = "lumen"
    ) -> tuple[bool, RuleEvent | None]:
        """The loop did not take the change: note it, take it back and raise an alarm, in one transaction.

        ``spec`` is the rule's declaration (None: it has none any more). Returns the event that takes the change back;
        None where a later change has replaced it, or where the value before it is not allowed any more. False: it has
        been applied, has failed already, or itself takes a failed change back. Raises NotFound.
        """
        with self._database.write() as connection:
            event = failures.load(connection, event_id)
            ledger.lock(connection, event.loop)
            if event.repair or not failures.is_open(connection, event_id):
                return False, None
            before = failures.value_before(connection, event)
            undo, said = None, failures.keeps(connection, event, spec, before)
            if said is None:
                assert spec is not None
                undo = append(
                    self._database,
                    connection,
                    event.loop,
                    spec,
                    before,
                    actor=REPAIRER,
                    note=f"rollback of {event_id}: {why}"[:500],
                    automatic=event.automatic,
                    undoes=event_id,
                    repair=True,
                )
                said = f"taken back to {before:g} by {undo.event_id}"
            failures.note(self._database, connection, event, why=why, said=said, undo=undo, by=by)
            return True, undo

    def unapplied(self, loop: str) -> list[RuleEvent]:
        """Events that the loop does not have yet, in the order they were recorded."""
        with self._database.glance() as connection:
            rows = connection.execute(_unapplied(connection, loop, *event_columns())).all()
        return [event_of(row) for row in rows]

    def get(self, event_id: str) -> RuleEvent:
        """One event. Raises NotFound."""
        with self._database.glance() as connection:
            return failures.load(connection, event_id)

    def events(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        rule: str | None = None,
    ) -> list[RuleEvent]:
        """Events by ``ts`` (start inclusive, end exclusive), oldest first.

        ``upto`` shows the ledger as it stood at that number: an event applied later has no ``applied_at`` there.
        """
        statement = sa.select(*event_columns()).select_from(events_joined(upto))
        statement = within(statement, rule_events, loop=loop, start=start, end=end, upto=upto)
        if rule is not None:
            statement = statement.where(rule_events.c.rule == rule)
        with self._database.glance() as connection:
            rows = connection.execute(statement.order_by(rule_events.c.ts, rule_events.c.loop, rule_events.c.seq)).all()
        return [event_of(row) for row in rows]

    def current(self, loop: str) -> dict[str, RuleValue]:
        """Rules that have had an event, with their values, sorted by name."""
        with self._database.glance() as connection:
            rows = connection.execute(sa.select(rule_values).where(rule_values.c.loop == loop)).all()
        values = {r.rule: RuleValue(rule=r.rule, value=r.value, event_id=r.event_id, since=r.since) for r in rows}
        return dict(sorted(values.items()))


def append(
    database: Database,
    connection: sa.Connection,
    loop: str,
    spec: RuleSpec,
    new: float,
    *,
    actor: str,
    note: str,
    automatic: bool,
    undoes: str | None = None,
    repair: bool = False,
) -> RuleEvent:
    """Record a change inside a transaction, for what must be recorded with it; errors as ``SqlRules.append``.

    ``repair``: it takes a failed change back, which no pause forbids.
    """
    new = float(new)
    if not (math.isfinite(new) and spec.min <= new <= spec.max):
        raise UsageError(f"rule {spec.name} of loop {loop}: {new:g} is not within {spec.min:g} to {spec.max:g}")
    seq = ledger.take(connection, loop, 1)[0]
    if automatic and not repair and is_on(connection, PAUSE):
        raise Paused(f"rule {spec.name} of loop {loop} stays: automatic changes are paused; `lumen resume` ends that")
    old = present(connection, loop, spec)
    if new == old:
        raise UsageError(f"rule {spec.name} of loop {loop} is already {new:g}")
    ts = database.now(connection)
    event = RuleEvent(
        event_id=content_id("ev", loop, seq, iso(ts), actor, spec.name, old, new),
        loop=loop,
        seq=seq,
        ts=ts,
        actor=actor,
        rule=spec.name,
        old=old,
        new=new,
        note=note,
        automatic=automatic,
        undoes=undoes,
        repair=repair,
    )
    connection.execute(sa.insert(rule_events).values(event_values(event)))
    _set(database, connection, event, imported=False)
    return event


def present(connection: sa.Connection, loop: str, spec: RuleSpec) -> float:
    """What the rule has now: its last value, else its initial one."""
    where = (rule_values.c.loop == loop) & (rule_values.c.rule == spec.name)
    value = connection.execute(sa.select(rule_values.c.value).where(where)).scalar()
    return float(spec.initial) if value is None else float(value)


def _set(database: Database, connection: sa.Connection, event: RuleEvent, *, imported: bool) -> None:
    row = {"value": event.new, "event_id": event.event_id, "since": event.ts, "imported": imported}
    statement = database.insert(rule_values).values(loop=event.loop, rule=event.rule, **row)
    older = rule_values.c.imported & (rule_values.c.since <= statement.excluded.since)
    statement = statement.on_conflict_do_update(
        index_elements=[rule_values.c.loop, rule_values.c.rule],
        set_={name: statement.excluded[name] for name in row},
        where=older if imported else None,
    )
    connection.execute(statement)


def _unapplied(connection: sa.Connection, loop: str, *wanted: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Events above the search's floor that are neither applied nor failed, in ledger order."""
    return (
        sa.select(*wanted)
        .select_from(events_joined())
        .where(
            rule_events.c.loop == loop,
            rule_events.c.seq > ledger.floor(connection, loop, _UNAPPLIED),
            rule_applied.c.event_id.is_(None),
            rule_failed.c.event_id.is_(None),
        )
        .order_by(rule_events.c.seq)
    )


def _failed_rows(events: Sequence[RuleEvent], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Imported failures; what took a change back comes in the same import."""
    undone = {event.undoes: event.event_id for event in events if event.repair}
    return [
        {
            "event_id": event.event_id,
            "loop": event.loop,
            "seq": seq,
            "failed_at": event.failed_at,
            "why": event.why or "",
            "undo": undone.get(event.event_id),
        }
        for event, seq in zip(events, numbers, strict=True)
        if event.failed_at is not None
    ]
