"""Runs, their stages and the day's result. Every write of a worker is fenced by its lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.leases import hold
from lumen_workers.adapters.store.owed import owe
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.schema import results, runs, stages
from lumen_workers.adapters.store.seals import read_seals, write_seal
from lumen_workers.domain.errors import LeaseLost, NotFound, UsageError
from lumen_workers.domain.runs import Lease, Owed, Result, Run, RunStatus, Seal, StageRun, StageStatus

_OPEN = [status.value for status in RunStatus if not status.final]
_DERIVED = frozenset({"stages", "winner", "status"})


class SqlRuns:
    """``RunStore``. Locks are taken in one order: the lease, then the run, then what belongs to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seal(self, seal: Seal) -> Seal:
        """Write it unless the revision is sealed already; returns the one that stands."""
        with self._database.write() as connection:
            return write_seal(self._database, connection, seal)

    def seals(self, pipeline: str, day: date) -> list[Seal]:
        """Every revision of a day, ascending."""
        with self._database.read() as connection:
            return read_seals(connection, pipeline, day)

    def create(self, run: Run) -> Run:
        """Write a queued run. A run with the same (pipeline, day, region, attempt) stands: it is returned instead.

        Raises UsageError when another such key has the run id.
        """
        values = plain(run)
        del values["stages"], values["winner"]
        same = sa.and_(*(runs.c[name] == values[name] for name in ("pipeline", "day", "region", "attempt")))
        with self._database.write() as connection:
            self._database.insert_new(connection, runs, values)
            found = _read(connection, sa.select(runs).where(same))
        if not found:
            raise UsageError(f"run id {run.run_id} is taken by another run")
        return found[0]

    def get(self, run_id: str) -> Run:
        """One run with its stages. Raises NotFound."""
        with self._database.read() as connection:
            return _get(connection, run_id)

    def rows(self, *, pipeline: str | None = None, day: date | None = None, limit: int | None = None) -> list[Run]:
        """Runs with their stages, newest first."""
        statement = sa.select(runs).order_by(runs.c.queued_at.desc(), runs.c.run_id.desc()).limit(limit)
        if pipeline is not None:
            statement = statement.where(runs.c.pipeline == pipeline)
        if day is not None:
            statement = statement.where(runs.c.day == day)
        with self._database.read() as connection:
            return _read(connection, statement)

    def open(self) -> list[Run]:
        """Runs that are not final, oldest first."""
        statement = sa.select(runs).where(runs.c.status.in_(_OPEN)).order_by(runs.c.queued_at, runs.c.run_id)
        with self._database.read() as connection:
            return _read(connection, statement)

    def start(self, run_id: str, executed_by: str, lease: Lease) -> Run:
        """queued or running → running, under the lease. Raises LeaseLost, also for a run that is final; NotFound."""
        with self._database.write() as connection:
            self._open_run(connection, run_id, lease)
            now = self._database.now(connection)
            values = {
                "status": RunStatus.RUNNING.value,
                "executed_by": executed_by,
                "started": sa.func.coalesce(runs.c.started, sa.bindparam("now", now, runs.c.started.type)),
            }
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(values))
            return _get(connection, run_id)

    def stage_started(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's start, under the lease; a failed or half-done row is replaced, a done one stands."""
        self._put_stage(stage, lease)

    def stage_ended(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's end, under the lease; a done row stands. Raises LeaseLost: then the stage has not happened."""
        self._put_stage(stage, lease)

    def finish(self, run_id: str, lease: Lease, *, digest: str, owed: Sequence[Owed] = ()) -> Run:
        """Elect in one transaction: the first gets the result row and DONE, a later one SUPERSEDED.

        Writes the owed rows too (known keys are left alone). Said again with the same digest it changes nothing, so it
        can be retried when the answer was lost. Raises LeaseLost, NotFound.
        """
        with self._database.write() as connection:
            hold(connection, lease)
            run = _locked(connection, run_id)
            if run.status in (RunStatus.DONE, RunStatus.SUPERSEDED) and run.digest == digest:
                return run
            _require_open(run)
            now = self._database.now(connection)
            claim = Result(
                pipeline=run.pipeline,
                day=run.day,
                revision=run.revision,
                digest=digest,
                run_id=run_id,
                region=run.region,
                decided_at=now,
            )
            won = self._database.insert_new(connection, results, plain(claim))
            status = RunStatus.DONE if won else RunStatus.SUPERSEDED
            values = {"status": status.value, "digest": digest, "ended": now}
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(values))
            owe(self._database, connection, owed)
            return _get(connection, run_id)

    def fail(self, run_id: str, lease: Lease | None, *, error_class: str, error: str) -> Run:
        """queued or running → failed; a failed run stands. Raises LeaseLost for another final run, NotFound."""
        with self._database.write() as connection:
            if lease is not None:
                hold(connection, lease)
            run = _locked(connection, run_id)
            if run.status is RunStatus.FAILED:
                return run
            _require_open(run)
            values = {
                "status": RunStatus.FAILED.value,
                "ended": self._database.now(connection),
                "error_class": error_class,
                "error": error,
            }
            connection.execute(sa.update(runs).where(runs.c.run_id == run_id).values(values))
            return _get(connection, run_id)

    def lose(self, run_id: str) -> bool:
        """queued or running → lost (its claim ran out). False: it was final already."""
        with self._database.write() as connection:
            values = {"status": RunStatus.LOST.value, "ended": self._database.now(connection)}
            where = (runs.c.run_id == run_id) & runs.c.status.in_(_OPEN)
            return connection.execute(sa.update(runs).where(where).values(values)).rowcount > 0

    def result(self, pipeline: str, day: date, revision: int) -> Result | None:
        """The day's result."""
        found = [result for result in self.results(pipeline, day) if result.revision == revision]
        return found[0] if found else None

    def results(self, pipeline: str, day: date | None = None) -> list[Result]:
        """Results by day and revision, ascending."""
        statement = sa.select(results).where(results.c.pipeline == pipeline)
        if day is not None:
            statement = statement.where(results.c.day == day)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(results.c.day, results.c.revision)).all()
        return [Result(**columns(Result, results, row)) for row in rows]

    def _open_run(self, connection: sa.Connection, run_id: str, lease: Lease) -> Run:
        hold(connection, lease)
        run = _locked(connection, run_id)
        _require_open(run)
        return run

    def _put_stage(self, stage: StageRun, lease: Lease) -> None:
        values = plain(stage)
        with self._database.write() as connection:
            run = self._open_run(connection, stage.run_id, lease)
            statement = self._database.insert(stages).values(values | {"position": len(run.stages)})
            statement = statement.on_conflict_do_update(
                index_elements=[stages.c.run_id, stages.c.name],
                set_={name: statement.excluded[name] for name in values if name not in ("run_id", "name")},
                where=stages.c.status != StageStatus.DONE.value,
            )
            connection.execute(statement)


def _require_open(run: Run) -> None:
    if run.status.final:
        raise LeaseLost(f"run {run.run_id} is {run.status.value}: nothing more may be written to it")


def _locked(connection: sa.Connection, run_id: str) -> Run:
    """The run, its row locked until the transaction ends. Raises NotFound."""
    connection.execute(sa.select(runs.c.run_id).where(runs.c.run_id == run_id).with_for_update())
    return _get(connection, run_id)


def _get(connection: sa.Connection, run_id: str) -> Run:
    found = _read(connection, sa.select(runs).where(runs.c.run_id == run_id))
    if not found:
        raise NotFound(f"run {run_id!r} is not known")
    return found[0]


def _read(connection: sa.Connection, statement: sa.Select[Any]) -> list[Run]:
    """Runs in the statement's order, with their stages and whether they won: three queries, however many runs."""
    rows = connection.execute(statement).all()
    wanted = statement.subquery()
    of_run: dict[str, list[StageRun]] = defaultdict(list)
    mine = (
        sa.select(stages).join(wanted, wanted.c.run_id == stages.c.run_id).order_by(stages.c.run_id, stages.c.position)
    )
    for row in connection.execute(mine):
        stage = StageRun(**columns(StageRun, stages, row) | {"status": StageStatus(row.status)})
        of_run[stage.run_id].append(stage)
    won = sa.select(results.c.run_id).join(wanted, wanted.c.run_id == results.c.run_id)
    winners = set(connection.execute(won).scalars())
    return [
        Run(
            **columns(Run, runs, row, leave_out=_DERIVED),
            status=RunStatus(row.status),
            winner=row.run_id in winners,
            stages=tuple(of_run[row.run_id]),
        )
        for row in rows
    ]
