"""Showing work while it is done: a run's stages as they end, a tick's outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lumen_workers.cli.output import progress

if TYPE_CHECKING:
    from datetime import date, datetime

    from lumen_workers.domain.ports import Store
    from lumen_workers.domain.runs import Run, TickState

FoundT = TypeVar("FoundT")

_LOOK_S = 0.2
_STANDING_S = 10.0
"""How long a worker may take to start a run before one that stands already counts as its answer."""


class Stages:
    """Tells each stage of one day's runs of one trace once, when it has ended."""

    def __init__(self, store: Store, day: date, trace_id: str) -> None:
        self._store = store
        self._day = day
        self._trace_id = trace_id
        self._told: set[tuple[str, str]] = set()

    def tell(self) -> Run | None:
        """Tell what is new, on standard error; returns the latest run of the trace, None before there is one."""
        from lumen_workers.domain.runs import RunStatus

        runs = self._store.runs.rows(day=self._day, trace_id=self._trace_id)
        for run in reversed(runs):
            self._once(run.run_id, "queued", f"{run.run_id}  queued, revision {run.revision} of {run.day}")
            for stage in run.stages:
                if stage.ended is not None:
                    seconds = "" if stage.seconds is None else f" in {stage.seconds:.2f} s"
                    error = f": {stage.error}" if stage.error else ""
                    line = f"{run.run_id}  {stage.name:<7} {stage.status}{seconds}{error}"
                    self._once(run.run_id, f"{stage.name} {stage.status}", line)
            if run.status is RunStatus.LOST:
                self._once(run.run_id, "lost", f"{run.run_id}  lost; another attempt follows")
        return runs[0] if runs else None

    def _once(self, run_id: str, what: str, line: str) -> None:
        if (run_id, what) not in self._told:
            self._told.add((run_id, what))
            progress(line)


def follow_run(store: Store, day: date, region: str, trace_id: str, timeout: float) -> Run:
    """Wait for the end of the day's run that was asked of ``region`` with ``trace_id``.

    Where nothing is new, the region's run that stands is the answer. Raises CheckFailed: refused, or not done in time.
    """
    from lumen_workers.domain.errors import CheckFailed
    from lumen_workers.domain.runs import RunStatus

    stages = Stages(store, day, trace_id)
    asked = time.monotonic()

    def look() -> Run | None:
        run = stages.tell()
        if run is None and time.monotonic() - asked > _STANDING_S:
            run = next(iter(store.runs.rows(day=day, region=region, limit=1)), None)
            if run is not None and run.status in (RunStatus.DONE, RunStatus.SUPERSEDED):
                progress(f"{run.run_id}  {run.status} already, nothing new to build")
        if run is not None and run.status.final and run.status is not RunStatus.LOST:
            return run
        if refused := store.notices.letters(trace_id=trace_id):
            raise CheckFailed(f"refused: {refused[-1].reason}")
        return None

    return _wait(
        look, timeout, f"not done after {timeout:g} s; `lumen status` tells whether workers run, trace {trace_id}"
    )


def follow_tick(store: Store, entry: str, region: str, asked: datetime, timeout: float) -> TickState:
    """Wait for a tick of ``entry`` that ended at or after ``asked``. Raises CheckFailed when none has in time."""

    def look() -> TickState | None:
        for state in store.ticks.states():
            if (state.entry, state.region) == (entry, region) and state.ended is not None and state.ended >= asked:
                return state
        return None

    return _wait(look, timeout, f"{entry} did not end within {timeout:g} s; `lumen schedule` shows what ran last")


def _wait(look: Callable[[], FoundT | None], timeout: float, late: str) -> FoundT:
    from lumen_workers.domain.errors import CheckFailed

    ends = time.monotonic() + timeout
    while (found := look()) is None:
        if time.monotonic() >= ends:
            raise CheckFailed(late)
        time.sleep(_LOOK_S)
    return found
