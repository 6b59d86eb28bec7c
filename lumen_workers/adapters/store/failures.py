"""Changes that their loop did not take: noted, taken back and told, in one transaction."""

from __future__ import annotations

import sqlalchemy as sa

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.audit import record
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.notices import end, stand
from lumen_workers.adapters.store.rows import event_columns, event_of, events_joined
from lumen_workers.adapters.store.schema import audit, rule_applied, rule_events, rule_failed, rule_values
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.records import RuleEvent, RuleSpec

KIND = "rule_failed"
"""Of the alarm; one stands for each rule of a loop, until the loop takes a change of it."""

LATE = "late acknowledgement"

_WALK = 1000


def load(connection: sa.Connection, event_id: str) -> RuleEvent:
    """One event, inside a transaction. Raises NotFound."""
    statement = sa.select(*event_columns()).select_from(events_joined()).where(rule_events.c.event_id == event_id)
    row = connection.execute(statement).first()
    if row is None:
        raise NotFound(f"rule event {event_id!r} is not known")
    return event_of(row)


def is_failed(connection: sa.Connection, event_id: str) -> bool:
    """Whether the loop did not take it."""
    return bool(ledger.known(connection, rule_failed.c.event_id, [event_id]))


def is_open(connection: sa.Connection, event_id: str) -> bool:
    """Whether it is neither applied nor failed. The loop's row must be locked: whoever comes first decides."""
    return not is_failed(connection, event_id) and not ledger.known(connection, rule_applied.c.event_id, [event_id])


def is_latest(connection: sa.Connection, event: RuleEvent) -> bool:
    """Whether the rule has its value from this event."""
    where = (rule_values.c.loop == event.loop) & (rule_values.c.rule == event.rule)
    return connection.execute(sa.select(rule_values.c.event_id).where(where)).scalar() == event.event_id


def value_before(connection: sa.Connection, event: RuleEvent) -> float:
    """What the loop had before ``event``: changes right before it that failed, too, were never there."""
    statement = (
        sa.select(rule_events.c.old, rule_failed.c.event_id, rule_failed.c.undo)
        .outerjoin(rule_failed, rule_failed.c.event_id == rule_events.c.event_id)
        .where(rule_events.c.loop == event.loop, rule_events.c.rule == event.rule, rule_events.c.seq < event.seq)
        .order_by(rule_events.c.seq.desc())
        .limit(_WALK)
    )
    value = event.old
    for row in connection.execute(statement):
        if row.event_id is None or row.undo is not None:
            break
        value = float(row.old)
    return value


def keeps(connection: sa.Connection, event: RuleEvent, spec: RuleSpec | None, value: float) -> str | None:
    """Why no event takes ``event`` back to ``value``; None: one does."""
    if not is_latest(connection, event):
        return "a later change has replaced it"
    if value == event.new:
        return f"{event.rule} was {value:g} before, too"
    if spec is None or not spec.min <= value <= spec.max:
        return f"{event.rule} stays {event.new:g} here: its declaration does not allow {value:g} back; set it by hand"
    return None


def note(
    database: Database,
    connection: sa.Connection,
    event: RuleEvent,
    *,
    why: str,
    said: str,
    undo: RuleEvent | None,
    by: str,
) -> None:
    """Write the failure, its alarm and its line in the audit log."""
    seq = ledger.take(connection, event.loop, 1)[0]
    row = {
        "event_id": event.event_id,
        "loop": event.loop,
        "seq": seq,
        "failed_at": database.now(connection),
        "why": why,
        "undo": None if undo is None else undo.event_id,
    }
    connection.execute(sa.insert(rule_failed).values(row))
    facts = {"loop": event.loop, "rule": event.rule, "event_id": event.event_id, "undo": row["undo"]}
    stand(
        database,
        connection,
        alarm_key(event),
        KIND,
        AlarmSeverity.TICKET,
        f"loop {event.loop} did not take {event.rule} = {event.new:g} ({event.event_id}): {why}; {said}",
        facts=facts,
    )
    record(database, connection, by, "rule change failed", subject=event.event_id, detail=facts | {"why": why})


def alarm_key(event: RuleEvent) -> str:
    """What makes two failures one ticket."""
    return f"{KIND}/{event.loop}/{event.rule}"


def taken(database: Database, connection: sa.Connection, event: RuleEvent, by: str) -> None:
    """The loop takes changes of the rule again: the ticket is over. Taking one back says nothing of that."""
    if not event.repair:
        end(database, connection, alarm_key(event), by)


def came_late(database: Database, connection: sa.Connection, event: RuleEvent, actuator: str, by: str) -> None:
    """Note, once, that a failed change was acknowledged after all."""
    where = (audit.c.subject == event.event_id) & (audit.c.event == LATE)
    if connection.execute(sa.select(audit.c.seq).where(where).limit(1)).first() is None:
        facts = {"loop": event.loop, "rule": event.rule, "actuator": actuator}
        record(database, connection, by, LATE, subject=event.event_id, detail=facts)
