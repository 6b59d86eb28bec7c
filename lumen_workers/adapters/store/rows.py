"""Between table rows and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.schema import effects, rule_applied, rule_events
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, RuleEvent, SignalEffect, field_names

Row = sa.Row[Any]


def columns(record: type[Any], table: sa.Table, row: Row, *, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The record's fields as the row has them under the columns of the same name."""
    values = row._mapping  # made anew at each look
    return {name: values[table.c[name]] for name in field_names(record) if name not in leave_out}


def within(
    statement: sa.Select[Any],
    table: sa.Table,
    *,
    loop: str | None,
    start: datetime | None,
    end: datetime | None,
    upto: int | None,
) -> sa.Select[Any]:
    """Narrow to a loop, to ``start <= ts < end`` and to ledger numbers up to ``upto``; None leaves that open."""
    if loop is not None:
        statement = statement.where(table.c.loop == loop)
    if start is not None:
        statement = statement.where(table.c.ts >= start)
    if end is not None:
        statement = statement.where(table.c.ts < end)
    return statement if upto is None else statement.where(table.c.seq <= upto)


def event_columns() -> list[sa.Column[Any]]:
    """Columns of a whole RuleEvent, for a select from :func:`events_joined`."""
    return [*rule_events.c, rule_applied.c.applied_at]


def events_joined(upto: int | None = None) -> sa.FromClause:
    """Events with when they were applied, as far as the ledger told at number ``upto``."""
    on = rule_applied.c.event_id == rule_events.c.event_id
    if upto is not None:
        on &= rule_applied.c.seq <= upto
    return rule_events.outerjoin(rule_applied, on)


def event_of(row: Row) -> RuleEvent:
    """A row of :func:`event_columns`."""
    own = columns(RuleEvent, rule_events, row, leave_out=frozenset({"applied_at"}))
    return RuleEvent(**own, applied_at=row._mapping["applied_at"])


def event_values(event: RuleEvent) -> dict[str, Any]:
    """The event's row; ``applied_at`` has a table of its own."""
    values = _shallow(event)
    del values["applied_at"]
    return values


def effect_of(row: Row) -> Effect:
    """A row that has every column of ``effects``."""
    values = columns(Effect, effects, row)
    values["options"] = EffectOptions(**values["options"])
    values["status"] = EffectStatus(values["status"])
    values["signals"] = {name: SignalEffect(**parts) for name, parts in values["signals"].items()}
    return Effect(**values)


def effect_values(effect: Effect) -> dict[str, Any]:
    """The effect's row."""
    return _shallow(effect) | {
        "options": asdict(effect.options),
        "options_key": effect.options.key(),
        "status": effect.status.value,
        "signals": {name: asdict(parts) for name, parts in effect.signals.items()},
    }


def plain(record: Any) -> dict[str, Any]:
    """A record's fields, mappings as plain dicts and enumerations as their text."""
    return {
        name: dict(value) if isinstance(value, Mapping) else getattr(value, "value", value)
        for name, value in _shallow(record).items()
    }


def _shallow(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in field_names(type(record))}
