"""Runs as the tables hold them, read with what belongs to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.rows import Row, columns
from lumen_workers.adapters.store.schema import results, runs, stages
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.runs import Cause, Run, RunStatus, StageRun, StageStatus

_DERIVED = frozenset({"stages", "winner", "status", "cause"})
_ONE = sa.select(runs).where(runs.c.run_id == sa.bindparam("of_run"))
_ONE_LOCKED = _ONE.with_for_update()
_THEIR_STAGES = (
    sa.select(stages)
    .where(stages.c.run_id.in_(sa.bindparam("of_runs", expanding=True)))
    .order_by(stages.c.run_id, stages.c.position)
)
_WINNERS = sa.select(results.c.run_id).where(results.c.run_id.in_(sa.bindparam("of_runs", expanding=True)))
_CHUNK = 500
"""Runs whose stages are read at once. Their ids go as values: a join on the search would walk all stages there are."""


def locked(connection: sa.Connection, run_id: str) -> Run:
    """The run, its row locked until the transaction ends. Raises NotFound."""
    return _only(connection, _ONE_LOCKED, run_id)


def get(connection: sa.Connection, run_id: str) -> Run:
    """The run. Raises NotFound."""
    return _only(connection, _ONE, run_id)


def _only(connection: sa.Connection, statement: sa.Select[Any], run_id: str) -> Run:
    found = _runs(connection, connection.execute(statement, {"of_run": run_id}).all())
    if not found:
        raise NotFound(f"run {run_id!r} is not known")
    return found[0]


def read(connection: sa.Connection, statement: sa.Select[Any]) -> list[Run]:
    """Runs in the statement's order."""
    return _runs(connection, connection.execute(statement).all())


def _runs(connection: sa.Connection, rows: Sequence[Row]) -> list[Run]:
    """The rows' runs, with their stages and whether they won."""
    of_run: dict[str, list[StageRun]] = defaultdict(list)
    winners: set[str] = set()
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        for row in connection.execute(_THEIR_STAGES, {"of_runs": [run.run_id for run in chunk]}):
            stage = StageRun(**columns(StageRun, stages, row) | {"status": StageStatus(row.status)})
            of_run[stage.run_id].append(stage)
        # The election writes the result in the transaction that makes its run done.
        if done := [run.run_id for run in chunk if run.status == RunStatus.DONE.value]:
            winners.update(connection.execute(_WINNERS, {"of_runs": done}).scalars())
    return [
        Run(
            **columns(Run, runs, row, leave_out=_DERIVED),
            status=RunStatus(row.status),
            cause=Cause(row.cause),
            winner=row.run_id in winners,
            stages=tuple(of_run[row.run_id]),
        )
        for row in rows
    ]
