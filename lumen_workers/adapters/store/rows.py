"""Between table rows and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lumen_workers.adapters.store.schema import effects, rule_applied, rule_events, rule_failed
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


repairs = rule_failed.alias("repairs")
"""The failed change that an event takes back."""

_BESIDE: Final = frozenset({"applied_at", "failed_at", "why", "repair"})
"""Fields of an event that other tables tell."""


def event_columns() -> list[sa.ColumnElement[Any]]:
    """Columns of a whole RuleEvent, for a select from :func:`events_joined`."""
    failed = (rule_failed.c.failed_at, rule_failed.c.why.label("why_failed"))
    return [*rule_events.c, rule_applied.c.applied_at, *failed, repairs.c.event_id.label("repairs")]


def events_joined(upto: int | None = None) -> sa.FromClause:
    """Events with when they were applied or failed, as far as the ledger told at number ``upto``."""
    on = rule_applied.c.event_id == rule_events.c.event_id
    if upto is not None:
        on &= rule_applied.c.seq <= upto
    return with_failures(rule_events.outerjoin(rule_applied, on), upto)


def with_failures(events: sa.FromClause, upto: int | None = None) -> sa.FromClause:
    """``events`` (``rule_events`` and what is joined to it) with what failed of them, and what they repair."""
    on = rule_failed.c.event_id == rule_events.c.event_id
    if upto is not None:
        on &= rule_failed.c.seq <= upto
    return events.outerjoin(rule_failed, on).outerjoin(repairs, repairs.c.undo == rule_events.c.event_id)


def event_of(row: Row) -> RuleEvent:
    """A row of :func:`event_columns`."""
    values = row._mapping
    return RuleEvent(
        **columns(RuleEvent, rule_events, row, leave_out=_BESIDE),
        applied_at=values["applied_at"],
        failed_at=values["failed_at"],
        why=values["why_failed"],
        repair=values["repairs"] is not None,
    )


def event_values(event: RuleEvent) -> dict[str, Any]:
    """The event's row; what became of it has tables of its own."""
    return {name: value for name, value in _shallow(event).items() if name not in _BESIDE}


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
