"""Runs, their stages and the day's result. Every write of a worker is fenced by its lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from lumen_workers.adapters.store import counters, history
from lumen_workers.adapters.store.audit import record
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.leases import hold
from lumen_workers.adapters.store.owed import owe
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.runrows import get, locked, read
from lumen_workers.adapters.store.schema import results, runs, stages
from lumen_workers.adapters.store.seals import read_seals, write_seal
from lumen_workers.adapters.store.sends import put
from lumen_workers.adapters.store.tallies import Count, count
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import LeaseLost, UsageError
from lumen_workers.domain.failures import Verdict
from lumen_workers.domain.notices import Send
from lumen_workers.domain.runs import Cause, Lease, Owed, Result, Run, RunHead, RunStatus, Seal, StageRun, StageStatus

_OPEN = [status.value for status in RunStatus if not status.final]


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
        with self._database.glance() as connection:
            return read_seals(connection, pipeline, day)

    def create(self, run: Run, by: str) -> Run:
        """Write a queued run and the stages that it carries on from the attempt before it.

        A run with the same (pipeline, day, region, attempt) stands: it is returned instead. Raises UsageError when
        another such key has the run id.
        """
        with self._database.write() as connection:
            return self._create(connection, run, by)

    def get(self, run_id: str) -> Run:
        """One run with its stages. Raises NotFound."""
        with self._database.read() as connection:
            return get(connection, run_id)

    def rows(
        self,
        *,
        pipeline: str | None = None,
        day: date | None = None,
        region: str | None = None,
        trace_id: str | None = None,
        limit: int | None = None,
    ) -> list[Run]:
        """Runs with their stages, newest first."""
        wanted = {"pipeline": pipeline, "day": day, "region": region, "trace_id": trace_id}
        statement = sa.select(runs).order_by(runs.c.queued_at.desc(), runs.c.run_id.desc()).limit(limit)
        statement = statement.where(*(runs.c[name] == value for name, value in wanted.items() if value is not None))
        with self._database.read() as connection:
            return read(connection, statement)

    def recent(self, regions: Sequence[str], limit: int) -> dict[str, list[RunHead]]:
        """The newest ``limit`` runs of each region, newest first."""
        return history.recent(self._database, regions, limit)

    def reruns(self, error_class: str, since: datetime) -> int:
        """How many reruns this class of failures has had since then, everywhere."""
        before = runs.alias()
        statement = (
            sa.select(sa.func.count())
            .select_from(runs.join(before, before.c.run_id == runs.c.follows))
            .where(runs.c.cause == Cause.RERUN.value, runs.c.queued_at >= since, before.c.error_class == error_class)
        )
        with self._database.glance() as connection:
            return int(connection.execute(statement).scalar_one())

    def open(self) -> list[Run]:
        """Runs that are not final, oldest first."""
        statement = sa.select(runs).where(runs.c.status.in_(_OPEN)).order_by(runs.c.queued_at, runs.c.run_id)
        with self._database.read() as connection:
            return read(connection, statement)

    def forsaken(self, since: datetime) -> list[Run]:
        """Lost runs, queued since then, that no later attempt of their region at the day follows; oldest first."""
        later = runs.alias()
        same_day = sa.and_(*(later.c[name] == runs.c[name] for name in ("pipeline", "day", "region")))
        followed = sa.select(later.c.run_id).where(same_day, later.c.attempt > runs.c.attempt).exists()
        lost = (runs.c.status == RunStatus.LOST.value) & (runs.c.queued_at >= since)
        with self._database.read() as connection:
            return read(connection, sa.select(runs).where(lost, ~followed).order_by(runs.c.queued_at, runs.c.run_id))

    def release(self, run_id: str) -> bool:
        """A queued run whose time has come waits no longer, from now on for a worker. False: it did not wait."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            ripe = (runs.c.run_id == run_id) & (runs.c.not_before <= now) & (runs.c.status == RunStatus.QUEUED.value)
            values = {"not_before": None, "queued_at": now}
            return connection.execute(sa.update(runs).where(ripe).values(values)).rowcount > 0

    def failed(self, since: datetime, limit: int) -> list[Run]:
        """The newest failed runs that were queued since then, at most ``limit`` of them, oldest first."""
        with self._database.read() as connection:
            return read(connection, history.failed_runs(connection, since, limit))

    def ended(self, since: datetime, limit: int) -> list[Run]:
        """The newest runs that were queued since then and have ended, well or not, at most ``limit``, oldest first."""
        with self._database.read() as connection:
            return read(connection, history.ended_runs(connection, since, limit))

    def closed(self, pipeline: str, since: date) -> tuple[set[tuple[str, date]], set[date]]:
        """(region, day) that have a run, and days that have a result, of days from ``since`` on after their end."""
        return history.closed_days(self._database, pipeline, since)

    def last_ended(self, pipeline: str) -> datetime | None:
        """When the newest run that has an end (done, superseded, failed) had it."""
        return history.last_ended(self._database, pipeline)

    def last_stages(self, pipeline: str, names: Sequence[str]) -> list[StageRun]:
        """Of each named stage that has ever ended its row in the newest run where it has."""
        return history.last_stages(self._database, pipeline, names)

    def start(self, run_id: str, executed_by: str, lease: Lease) -> Run:
        """queued or running → running, under the lease. Raises LeaseLost, also for a run that is final; NotFound."""
        with self._database.write() as connection:
            run = self._open_run(connection, run_id, lease)
            started = run.started or self._database.now(connection)
            run = replace(run, status=RunStatus.RUNNING, executed_by=executed_by, started=started, not_before=None)
            values = {name: plain(run)[name] for name in ("status", "executed_by", "started", "not_before")}
            connection.execute(_CHANGE, {"of_run": run_id, **values})
            self._tell(connection, lease.holder, run, "claimed", {"epoch": lease.epoch})
            return run

    def stage_started(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's start, under the lease; a failed or half-done row is replaced, a done one stands."""
        with self._database.write() as connection:
            self._put_stage(connection, stage, lease)

    def stage_ended(self, stage: StageRun, lease: Lease) -> None:
        """Note a stage's end, under the lease; a done row stands. Raises LeaseLost: then the stage has not happened."""
        with self._database.write() as connection:
            run, new = self._put_stage(connection, stage, lease)
            if new:
                count(self._database, connection, counters.stage_ended(run, stage, lease.holder))
                detail = {"stage": stage.name, "seconds": stage.seconds}
                if stage.status is StageStatus.FAILED:
                    detail |= {"class": stage.error_class, "rule": stage.error_rule, "error": stage.error}
                self._tell(connection, lease.holder, run, f"stage {stage.status.value}", detail)

    def finish(
        self, run_id: str, lease: Lease, *, digest: str, owed: Sequence[Owed] = (), sends: Sequence[Send] = ()
    ) -> Run:
        """Elect in one transaction: the first gets the result row and DONE, a later one SUPERSEDED.

        With the first go the owed rows and what is to be sent (known keys are left alone). Said again with the same
        digest it changes nothing, so it can be retried when the answer was lost. Raises LeaseLost, NotFound.
        """
        with self._database.write() as connection:
            hold(connection, lease)
            run = locked(connection, run_id)
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
                region=run.lane_region,
                decided_at=now,
            )
            won = self._database.insert_new(connection, results, plain(claim))
            status = RunStatus.DONE if won else RunStatus.SUPERSEDED
            values = {"status": status.value, "digest": digest, "ended": now}
            connection.execute(_CHANGE, {"of_run": run_id, **values})
            if won:
                owe(self._database, connection, owed)
                put(self._database, connection, sends)
            run = get(connection, run_id)
            first = won and _is_first(connection, claim)
            count(self._database, connection, counters.run_ended(run, lease.holder, first_of_day=first))
            self._tell(connection, lease.holder, run, status.value, {"digest": digest})
            return run

    def fail(self, run_id: str, lease: Lease | None, *, verdict: Verdict, error: str, follow: Run | None = None) -> Run:
        """queued or running → failed; a failed run stands. ``follow``: the rerun, queued in the same transaction.

        Raises LeaseLost for another final run, NotFound.
        """
        with self._database.write() as connection:
            if lease is not None:
                hold(connection, lease)
            run = locked(connection, run_id)
            if run.status is RunStatus.FAILED:
                return run
            _require_open(run)
            values = {
                "status": RunStatus.FAILED.value,
                "ended": self._database.now(connection),
                "error_class": verdict.error_class,
                "error": error,
                "error_rule": verdict.rule,
            }
            connection.execute(_CHANGE, {"of_run": run_id, **values})
            run = get(connection, run_id)
            by = lease.holder if lease is not None else run.lane_region
            counts: list[Count] = [] if follow else counters.run_ended(run, by)
            follower = self._insert(connection, follow) if follow else None
            if follower is not None:
                counts += counters.queued(follower, verdict.error_class)
            count(self._database, connection, counts)
            told = {"class": verdict.error_class, "rule": verdict.rule, "error": error}
            self._tell(connection, by, run, "failed", told | ({"follows": follower.run_id} if follower else {}))
            if follower is not None:
                self._tell(connection, by, follower, "queued", _why(follower))
            return run

    def lose(self, run_id: str, by: str, why: str) -> bool:
        """queued or running → lost (its claim ran out). False: it was final already."""
        with self._database.write() as connection:
            values = {"status": RunStatus.LOST.value, "ended": self._database.now(connection)}
            where = (runs.c.run_id == run_id) & runs.c.status.in_(_OPEN)
            if not connection.execute(sa.update(runs).where(where).values(values)).rowcount:
                return False
            run = get(connection, run_id)
            count(self._database, connection, counters.lost(run))
            self._tell(connection, by, run, "lost", {"why": why})
            return True

    def result(self, pipeline: str, day: date, revision: int) -> Result | None:
        """The day's result."""
        found = [result for result in self.results(pipeline, day) if result.revision == revision]
        return found[0] if found else None

    def results(self, pipeline: str, day: date | None = None) -> list[Result]:
        """Results by day and revision, ascending."""
        statement = sa.select(results).where(results.c.pipeline == pipeline)
        if day is not None:
            statement = statement.where(results.c.day == day)
        with self._database.glance() as connection:
            rows = connection.execute(statement.order_by(results.c.day, results.c.revision)).all()
        return [Result(**columns(Result, results, row)) for row in rows]

    def _create(self, connection: sa.Connection, run: Run, by: str) -> Run:
        known = _same(connection, run)
        if known is not None:
            return known
        made = self._insert(connection, run)
        count(self._database, connection, counters.queued(made))
        self._tell(connection, by, made, "queued", _why(made))
        return made

    def _insert(self, connection: sa.Connection, run: Run) -> Run:
        values = plain(run)
        del values["stages"], values["winner"]
        if not self._database.insert_new(connection, runs, values):
            known = _same(connection, run)
            if known is None:
                raise UsageError(f"run id {run.run_id} is taken by another run")
            return known
        for position, stage in enumerate(run.stages):
            connection.execute(sa.insert(stages).values(plain(stage) | {"position": position}))
        return get(connection, run.run_id)

    def _open_run(self, connection: sa.Connection, run_id: str, lease: Lease) -> Run:
        hold(connection, lease)
        run = locked(connection, run_id)
        _require_open(run)
        return run

    def _put_stage(self, connection: sa.Connection, stage: StageRun, lease: Lease) -> tuple[Run, bool]:
        """The run as it was, and whether the row is new or has changed."""
        run = self._open_run(connection, stage.run_id, lease)
        values = plain(stage) | {"position": len(run.stages)}
        return run, connection.execute(self._database.prepared(_put), values).first() is not None

    def _tell(self, connection: sa.Connection, by: str, run: Run, event: str, detail: Mapping[str, Any]) -> None:
        record(
            self._database,
            connection,
            by,
            event,
            subject=run.run_id,
            pipeline=run.pipeline,
            region=run.region,
            trace_id=run.trace_id,
            detail=detail,
        )


def _why(run: Run) -> dict[str, Any]:
    """What the audit log tells of a new attempt."""
    told: dict[str, Any] = {"cause": run.cause.value, "attempt": run.attempt, "lane": run.lane_region}
    if run.follows:
        told["follows"] = run.follows
    if run.not_before:
        told["not_before"] = iso(run.not_before)
    if run.stages:
        told["carried"] = [stage.name for stage in run.stages]
    return told


def _same(connection: sa.Connection, run: Run) -> Run | None:
    """The run that has this attempt's key."""
    key = {"pipeline": run.pipeline, "day": run.day, "region": run.region, "attempt": run.attempt}
    found = read(connection, sa.select(runs).where(*(runs.c[name] == value for name, value in key.items())))
    return found[0] if found else None


def _is_first(connection: sa.Connection, result: Result) -> bool:
    """Whether this is the first result of the day as it was after its end."""
    whole = {s.revision for s in read_seals(connection, result.pipeline, result.day) if not s.provisional}
    mine = (results.c.pipeline == result.pipeline) & (results.c.day == result.day)
    have = set(connection.execute(sa.select(results.c.revision).where(mine)).scalars())
    return whole & have == {result.revision}


def _require_open(run: Run) -> None:
    if run.status.final:
        raise LeaseLost(f"run {run.run_id} is {run.status.value}: nothing more may be written to it")


_CHANGE = sa.update(runs).where(runs.c.run_id == sa.bindparam("of_run"))


def _put(database: Database) -> sa.Executable:
    statement = database.insert(stages)
    kept = ("run_id", "name", "position")
    return statement.on_conflict_do_update(
        index_elements=[stages.c.run_id, stages.c.name],
        set_={column.name: statement.excluded[column.name] for column in stages.c if column.name not in kept},
        where=stages.c.status != StageStatus.DONE.value,
    ).returning(stages.c.name)
