"""Short answers from a long history: each walks an index back from its newest end, however many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.rows import Row, columns, effect_of, event_columns, event_of, events_joined
from lumen_workers.adapters.store.schema import effects, results, rule_events, rule_values, runs, seals, stages
from lumen_workers.domain.records import Effect, EffectStatus, RuleEvent
from lumen_workers.domain.runs import RunHead, RunStatus, StageRun, StageStatus

_ENDED = (RunStatus.DONE, RunStatus.SUPERSEDED, RunStatus.FAILED)


def _of(pipeline: str) -> sa.ColumnElement[bool]:
    """Runs of a pipeline, by an expression that no index serves.

    SQLite would rather collect and sort all of a pipeline's rows than walk the index on ``queued_at`` to the first.
    """
    return sa.func.coalesce(runs.c.pipeline, "") == pipeline


def _has_status(*wanted: RunStatus) -> sa.ColumnElement[bool]:
    """The same for the status."""
    return sa.func.coalesce(runs.c.status, "").in_([status.value for status in wanted])


def last_ended(database: Database, pipeline: str) -> datetime | None:
    """When the newest run that somebody ended, well or not, did so."""
    statement = (
        sa.select(runs.c.ended)
        .where(_of(pipeline), _has_status(*_ENDED), runs.c.ended.is_not(None))
        .order_by(runs.c.queued_at.desc())
        .limit(1)
    )
    with database.read() as connection:
        ended: datetime | None = connection.execute(statement).scalar()
    return ended


def last_stages(database: Database, pipeline: str, names: Sequence[str]) -> list[StageRun]:
    """Of each named stage its row in the newest run where it has ended."""
    found: list[Row] = []
    with database.read() as connection:
        for name in names:
            its = (stages.c.run_id == runs.c.run_id) & (stages.c.name == name) & stages.c.ended.is_not(None)
            newest = (
                sa.select(runs.c.run_id)
                .where(_of(pipeline), sa.exists().where(its))
                .order_by(runs.c.queued_at.desc())
                .limit(1)
                .scalar_subquery()
            )
            statement = sa.select(stages).where(stages.c.run_id == newest, stages.c.name == name)
            found += connection.execute(statement).all()
    return [StageRun(**columns(StageRun, stages, row) | {"status": StageStatus(row.status)}) for row in found]


def ended_runs(connection: sa.Connection, since: datetime, limit: int) -> sa.Select[Any]:
    """The newest runs that were queued since then and that somebody ended, well or not, oldest first."""
    mine = (runs.c.queued_at >= since) & _has_status(*_ENDED)
    newest = sa.select(runs.c.run_id).where(mine).order_by(runs.c.queued_at.desc()).limit(limit)
    found = connection.execute(newest).scalars().all()
    return sa.select(runs).where(runs.c.run_id.in_(found)).order_by(runs.c.queued_at, runs.c.run_id)


def closed_days(database: Database, pipeline: str, since: date) -> tuple[set[tuple[str, date]], set[date]]:
    """What was done, from ``since`` on, of days as they were after their end: (region, day) with a run, and results."""
    whole = seals.c.cutoff >= seals.c.end

    def of_seal(table: sa.Table) -> sa.ColumnElement[bool]:
        same = (table.c[name] == seals.c[name] for name in ("pipeline", "day", "revision"))
        return sa.and_(whole, table.c.pipeline == pipeline, table.c.day >= since, *same)

    with database.glance() as connection:
        tried = connection.execute(sa.select(runs.c.region, runs.c.day).distinct().where(of_seal(runs))).all()
        done = connection.execute(sa.select(results.c.day).distinct().where(of_seal(results))).scalars().all()
    return {(row.region, row.day) for row in tried}, set(done)


def recent(database: Database, regions: Sequence[str], limit: int) -> dict[str, list[RunHead]]:
    """The newest runs of each region: from its ``limit``-th newest on, found in the index, in one query."""
    found: dict[str, list[RunHead]] = {region: [] for region in regions}
    with database.glance() as connection:
        asked = {"regions": list(regions), "behind": limit - 1}
        for row in connection.execute(database.prepared(_recent), asked):
            head = columns(RunHead, runs, row) | {"status": RunStatus(row.status)}
            found[row.region].append(RunHead(**head))
    return {region: heads[:limit] for region, heads in found.items()}  # of one instant there may be more


def _recent(database: Database) -> sa.Select[Any]:
    names = sa.bindparam("regions", type_=sa.JSON)
    each = sa.func.json_array_elements_text if database.postgres else sa.func.json_each
    asked = each(names).table_valued("value", name="asked")
    older = runs.alias()
    since = (
        sa.select(older.c.queued_at)
        .where(older.c.region == asked.c.value)
        .order_by(older.c.queued_at.desc())
        .limit(1)
        .offset(sa.bindparam("behind", type_=sa.Integer))
        .scalar_subquery()
    )
    newest = (runs.c.region == asked.c.value) & (runs.c.queued_at >= sa.func.coalesce(since, sa.literal_column("0")))
    shown = (runs.c.run_id, runs.c.region, runs.c.status, runs.c.ended, runs.c.error_class)
    return (
        sa.select(*shown).select_from(asked.join(runs, newest)).order_by(runs.c.queued_at.desc(), runs.c.run_id.desc())
    )


def failed_runs(connection: sa.Connection, since: datetime, limit: int) -> sa.Select[Any]:
    """The newest failed runs that were queued since then, oldest first."""
    mine = (runs.c.queued_at >= since) & _has_status(RunStatus.FAILED)
    newest = sa.select(runs.c.run_id).where(mine).order_by(runs.c.queued_at.desc()).limit(limit)
    # Their ids as values: a join on the search itself would walk all stages there ever were.
    found = connection.execute(newest).scalars().all()
    return sa.select(runs).where(runs.c.run_id.in_(found)).order_by(runs.c.queued_at, runs.c.run_id)


def latest_effects(database: Database, loop: str) -> list[tuple[RuleEvent, Effect]]:
    """The newest computed effect of each rule of a loop that has one, by rule."""
    found = []
    with database.read() as connection:
        changed = sa.select(rule_values.c.rule).where(rule_values.c.loop == loop).order_by(rule_values.c.rule)
        for rule in connection.execute(changed).scalars().all():
            statement = (
                sa.select(*event_columns(), *effects.c)
                .select_from(effects.join(events_joined(), rule_events.c.event_id == effects.c.event_id))
                .where(
                    effects.c.loop == loop,
                    effects.c.status == EffectStatus.COMPUTED.value,
                    rule_events.c.rule == rule,
                )
                .order_by(effects.c.seq.desc())
                .limit(1)
            )
            found += [(event_of(row), effect_of(row)) for row in connection.execute(statement)]
    return found
