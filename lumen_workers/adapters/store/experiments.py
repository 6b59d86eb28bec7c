"""Experiments and their periods: every step is one transaction that only the first to take it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lumen_workers.adapters.store import ledger
from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.journal import record
from lumen_workers.adapters.store.rows import columns, plain
from lumen_workers.adapters.store.rules import append, present
from lumen_workers.adapters.store.schema import experiments, periods, watches
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState, Period
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import RuleEvent, RuleSpec

RUNNING = ExperimentState.RUNNING.value


class SqlExperiments:
    """``ExperimentStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, experiment: Experiment) -> Experiment:
        """Write it. Raises UsageError while another one runs on the loop or the tuner watches it, NotFound."""
        try:
            with self._database.write() as connection:
                ledger.lock(connection, experiment.loop)
                where = experiments.c.running == experiment.loop
                other = connection.execute(sa.select(experiments.c.experiment_id).where(where)).scalar()
                if other is not None:
                    raise UsageError(
                        f"loop {experiment.loop} has an experiment already: {other} is running; its switches would be "
                        f"in this one's numbers; wait for its end or end it with `lumen experiment stop {other}`"
                    )
                watched = connection.execute(
                    sa.select(watches.c.rule).where(watches.c.running == experiment.loop)
                ).scalar()
                if watched is not None:
                    raise UsageError(
                        f"loop {experiment.loop}: the self-tuner is watching {watched}; try again in a minute or two"
                    )
                values = plain(experiment) | {"running": experiment.loop}
                connection.execute(sa.insert(experiments).values(values))
                line = {
                    "line": "started",
                    "experiment": experiment.experiment_id,
                    "ts": iso(experiment.started),
                    "rule": experiment.rule,
                    "original": experiment.original,
                    "by": experiment.by,
                    "seed": experiment.seed,
                    "config": experiment.config,
                }
                self._note(connection, experiment.loop, experiment.kind.value, line, "started")
        except IntegrityError as error:
            raise UsageError(f"experiment {experiment.experiment_id} is there already") from error
        return experiment

    def get(self, experiment_id: str) -> Experiment:
        """One experiment. Raises NotFound."""
        with self._database.glance() as connection:
            row = connection.execute(_select(experiments.c.experiment_id == experiment_id)).first()
        if row is None:
            raise NotFound(f"experiment {experiment_id!r} is not known; `lumen experiment list` shows them")
        return _experiment(row)

    def rows(self, loop: str | None = None, *, running: bool = False, limit: int | None = None) -> list[Experiment]:
        """Experiments, newest first; ``limit``: only so many."""
        where = [] if loop is None else [experiments.c.loop == loop]
        if running:
            where.append(experiments.c.running.is_not(None))
        statement = _select(*where).order_by(experiments.c.started.desc(), experiments.c.experiment_id).limit(limit)
        with self._database.glance() as connection:
            return [_experiment(row) for row in connection.execute(statement)]

    def periods(self, experiment_id: str) -> list[Period]:
        """Its periods, in order."""
        statement = sa.select(periods).where(periods.c.experiment_id == experiment_id).order_by(periods.c.number)
        with self._database.glance() as connection:
            return [Period(**columns(Period, periods, row)) for row in connection.execute(statement)]

    def open(self, period: Period, spec: RuleSpec, *, actor: str, note: str) -> Period | None:
        """Record the switch and the period together; None: it does not run any more, or somebody was first."""
        with self._database.write() as connection:
            loop = self._running(connection, period.experiment_id)
            if loop is None or _newest(connection, period.experiment_id) != period.number - 1:
                return None
            event_id = None
            now = self._database.now(connection)
            if present(connection, loop, spec) != period.value:
                event = append(
                    self._database, connection, loop, spec, period.value, actor=actor, note=note, automatic=True
                )
                event_id = event.event_id
            values = plain(period) | {
                "opened": now,
                "event_id": event_id,
                "began": now if event_id is None else None,
            }
            connection.execute(sa.insert(periods).values(values))
        return Period(**values)

    def begin(self, experiment_id: str, number: int, at: datetime) -> bool:
        """The loop has the value. False: it was noted."""
        where = (periods.c.experiment_id == experiment_id) & (periods.c.number == number) & periods.c.began.is_(None)
        with self._database.write() as connection:
            return connection.execute(sa.update(periods).where(where).values(began=at)).rowcount > 0

    def again(self, period: Period, at: datetime) -> bool:
        """The period begins anew at ``at``. False: it has moved on since ``period`` was read."""
        values = {"began": at, "restarts": period.restarts + 1}
        with self._database.write() as connection:
            return connection.execute(sa.update(periods).where(_as_read(period)).values(values)).rowcount > 0

    def close(
        self,
        period: Period,
        *,
        at: datetime,
        n: int,
        means: Mapping[str, float] | None,
        reward: float | None,
        log: Mapping[str, Any] | None = None,
    ) -> bool:
        """The period has ended; ``log`` goes into its line in the journal. False: it has moved on since it was read."""
        values = {"ended": at, "n": n, "means": None if means is None else dict(means), "reward": reward}
        own = experiments.c.experiment_id == period.experiment_id
        with self._database.write() as connection:
            row = connection.execute(sa.select(experiments.c.loop, experiments.c.kind).where(own)).one()
            ledger.lock(connection, row.loop)
            if not connection.execute(sa.update(periods).where(_as_read(period)).values(values)).rowcount:
                return False
            if log is not None:
                line = {"line": "period", "experiment": period.experiment_id, "ts": iso(at), **log}
                self._note(connection, row.loop, row.kind, line, str(period.number))
        return True

    def hold(self, experiment_id: str, why: str | None) -> bool:
        """Note why nothing is switched, or that nothing holds it any more. False: that is what it says."""
        where = (experiments.c.experiment_id == experiment_id) & experiments.c.running.is_not(None)
        where &= experiments.c.held.is_distinct_from(why)
        with self._database.write() as connection:
            return connection.execute(sa.update(experiments).where(where).values(held=why)).rowcount > 0

    def ask_stop(self, experiment_id: str, by: str) -> bool:
        """Ask a running one to end. False: it has ended, or was asked."""
        where = (experiments.c.experiment_id == experiment_id) & experiments.c.running.is_not(None)
        where &= experiments.c.stop_by.is_(None)
        with self._database.write() as connection:
            return connection.execute(sa.update(experiments).where(where).values(stop_by=by)).rowcount > 0

    def finish(
        self,
        experiment_id: str,
        state: ExperimentState,
        *,
        reason: str,
        result: Mapping[str, Any] | None,
        spec: RuleSpec,
        final: float | None,
        actor: str,
    ) -> tuple[bool, RuleEvent | None]:
        """Running → ended, and the rule → ``final`` (None: it stays), together. False: it had ended.

        The last change is not an automatic one: a loop gets its value back while automatic changes are paused, too.
        """
        with self._database.write() as connection:
            loop = self._running(connection, experiment_id)
            if loop is None:
                return False, None
            values: dict[str, Any] = {
                "state": state.value,
                "running": None,
                "held": None,
                "ended": self._database.now(connection),
                "reason": reason,
                "result": None if result is None else dict(result),
            }
            own = experiments.c.experiment_id == experiment_id
            kind = connection.execute(sa.update(experiments).where(own).values(values).returning(experiments.c.kind))
            line = {
                "line": "ended",
                "experiment": experiment_id,
                "ts": iso(values["ended"]),
                "rule": spec.name,
                "state": state.value,
                "reason": reason,
                "result": values["result"],
            }
            self._note(connection, loop, kind.scalar_one(), line, "ended")
            if final is None or present(connection, loop, spec) == final:
                return True, None
            note = f"experiment {experiment_id} has ended ({state.value}): {reason}"
            event = append(self._database, connection, loop, spec, final, actor=actor, note=note[:500], automatic=False)
            connection.execute(sa.update(experiments).where(own).values(final_event=event.event_id))
            return True, event

    def switches(self, event_ids: Iterable[str]) -> set[str]:
        """Which of these rule events experiments made: their switches, and what gave the rule back at their end."""
        asked = list(event_ids)
        with self._database.glance() as connection:
            switched = ledger.known(connection, periods.c.event_id, asked)
            return switched | ledger.known(connection, experiments.c.final_event, asked)

    def _note(self, connection: sa.Connection, loop: str, kind: str, line: Mapping[str, Any], which: str) -> None:
        """A line in the journal, together with what it tells of."""
        entry_id = content_id("jr", line["experiment"], which)
        record(self._database, connection, loop, kind, line, entry_id=entry_id)

    def _running(self, connection: sa.Connection, experiment_id: str) -> str | None:
        """Lock the loop of a running experiment and return its name; None: it has ended."""
        own = experiments.c.experiment_id == experiment_id
        loop = connection.execute(sa.select(experiments.c.loop).where(own)).scalar_one()
        ledger.lock(connection, loop)
        # Looked at behind the lock: another process may have ended it in between.
        running: str | None = connection.execute(sa.select(experiments.c.running).where(own)).scalar_one()
        return running


def _newest(connection: sa.Connection, experiment_id: str) -> int:
    """The number of the newest period; 0 before the first."""
    newest = sa.select(sa.func.max(periods.c.number)).where(periods.c.experiment_id == experiment_id)
    return connection.execute(newest).scalar() or 0


def _as_read(period: Period) -> sa.ColumnElement[bool]:
    """The period's row, as long as it is open and has not begun anew since ``period`` was read."""
    return (
        (periods.c.experiment_id == period.experiment_id)
        & (periods.c.number == period.number)
        & (periods.c.restarts == period.restarts)
        & periods.c.ended.is_(None)
    )


def _select(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(experiments).where(*where)


def _experiment(row: sa.Row[Any]) -> Experiment:
    values = columns(Experiment, experiments, row)
    return Experiment(**values | {"kind": ExperimentKind(values["kind"]), "state": ExperimentState(values["state"])})
