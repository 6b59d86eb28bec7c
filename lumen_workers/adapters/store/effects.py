"""Effects: one for each event and options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import history, ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import (
    effect_of,
    effect_values,
    event_columns,
    event_of,
    events_joined,
    repairs,
    with_failures,
    within,
)
from lumen_workers.adapters.store.schema import effect_marks, effects, rule_applied, rule_events
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, RuleEvent

UNSPOKEN = "unspoken effects"


class SqlEffects:
    """``EffectStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, loop: str, options: EffectOptions, now: datetime) -> list[RuleEvent]:
        """Applied events whose post window is complete at ``now`` and that have no effect for these options."""
        complete = rule_applied.c.applied_at <= now - timedelta(seconds=options.post_s)
        with self._database.glance() as connection:
            rows = connection.execute(
                _without_effect(connection, loop, options.key(), *event_columns()).where(complete)
            ).all()
        return [event_of(row) for row in rows]

    def add(self, effects_: Sequence[Effect]) -> int:
        """Write the new ones (``seq`` is given here); returns how many were. Raises NotFound for an unknown event."""
        by_loop: dict[str, list[Effect]] = defaultdict(list)
        for effect in {(effect.event_id, effect.options.key()): effect for effect in effects_}.values():
            by_loop[effect.loop].append(effect)
        written = 0
        with self._database.write() as connection:
            # Loops are locked in one order, so that two writers cannot wait for each other.
            for loop, own in sorted(by_loop.items()):
                written += self._add(connection, loop, own)
        return written

    def rows(
        self,
        loop: str | None = None,
        *,
        event_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        after: int | None = None,
    ) -> list[tuple[RuleEvent, Effect]]:
        """Effects with their events, by the event's ``ts``, oldest first; ``upto``, ``after`` bound their numbers."""
        statement = _joined(upto)
        statement = within(statement, rule_events, loop=loop, start=start, end=end, upto=upto)
        if upto is not None:
            statement = statement.where(effects.c.seq <= upto)
        if after is not None:
            statement = statement.where(effects.c.seq > after)
        if event_id is not None:
            statement = statement.where(effects.c.event_id == event_id)
        statement = statement.order_by(rule_events.c.ts, rule_events.c.loop, rule_events.c.seq, effects.c.seq)
        with self._database.glance() as connection:
            return [(event_of(row), effect_of(row)) for row in connection.execute(statement)]

    def latest(self, loop: str) -> list[tuple[RuleEvent, Effect]]:
        """The newest computed effect of each rule of the loop that has one, by rule."""
        return history.latest_effects(self._database, loop)

    def unspoken(self, loop: str) -> list[tuple[RuleEvent, Effect]]:
        """Computed effects that findings have not looked at yet, in ledger order."""
        with self._database.glance() as connection:
            open_ = open_effects(connection, loop).subquery()
            statement = _joined(None).join(open_, open_.c.seq == effects.c.seq).where(effects.c.loop == loop)
            return [(event_of(row), effect_of(row)) for row in connection.execute(statement.order_by(effects.c.seq))]

    def _add(self, connection: sa.Connection, loop: str, own: list[Effect]) -> int:
        ledger.lock(connection, loop)
        known_events = ledger.known(connection, rule_events.c.event_id, {effect.event_id for effect in own})
        unknown = [effect.event_id for effect in own if effect.event_id not in known_events]
        if unknown:
            raise NotFound(f"rule event {unknown[0]!r} is not known")
        have: set[tuple[str, str]] = set()
        for part in ledger.batched((effect.event_id for effect in own), ledger.CHUNK):
            found = sa.select(effects.c.event_id, effects.c.options_key).where(effects.c.event_id.in_(part))
            have.update((row.event_id, row.options_key) for row in connection.execute(found))
        new = [effect for effect in own if (effect.event_id, effect.options.key()) not in have]
        if not new:
            return 0
        numbers = ledger.take(connection, loop, len(new))
        rows = [effect_values(effect) | {"seq": seq} for effect, seq in zip(new, numbers, strict=True)]
        connection.execute(sa.insert(effects), rows)
        for key in sorted({effect.options.key() for effect in new}):
            first = _without_effect(connection, loop, key, rule_applied.c.seq).limit(1)
            ledger.raise_floor(self._database, connection, loop, _search(key), first)
        return len(new)


def open_effects(connection: sa.Connection, loop: str) -> sa.Select[Any]:
    """Numbers of computed effects above the search's floor that findings have not looked at, in ledger order."""
    return (
        sa.select(effects.c.seq)
        .outerjoin(effect_marks, effect_marks.c.effect_id == effects.c.effect_id)
        .where(
            effects.c.loop == loop,
            effects.c.seq > ledger.floor(connection, loop, UNSPOKEN),
            effects.c.status == EffectStatus.COMPUTED.value,
            effect_marks.c.effect_id.is_(None),
        )
        .order_by(effects.c.seq)
    )


def _without_effect(
    connection: sa.Connection, loop: str, options_key: str, *wanted: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """Applied events above the search's floor without an effect for the options, in the order they were applied.

    One that takes a failed change back has none: the loop may never have had what it takes back.
    """
    applied = rule_applied.join(rule_events, rule_events.c.event_id == rule_applied.c.event_id)
    mine = (effects.c.event_id == rule_applied.c.event_id) & (effects.c.options_key == options_key)
    return (
        sa.select(*wanted)
        .select_from(with_failures(applied))
        .outerjoin(effects, mine)
        .where(
            rule_applied.c.loop == loop,
            rule_applied.c.seq > ledger.floor(connection, loop, _search(options_key)),
            effects.c.effect_id.is_(None),
            repairs.c.event_id.is_(None),
        )
        .order_by(rule_applied.c.seq)
    )


def _joined(upto: int | None) -> sa.Select[Any]:
    source = effects.join(events_joined(upto), rule_events.c.event_id == effects.c.event_id)
    return sa.select(*event_columns(), *effects.c).select_from(source)


def _search(options_key: str) -> str:
    return f"effects {options_key}"
