"""Experiments in the store: every step is one transaction that only the first to take it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from lumen_workers.domain.experiments import Experiment, ExperimentState, Period, Watch
from lumen_workers.domain.records import RuleEvent, RuleSpec


class ExperimentStore(Protocol):
    """Experiments and their periods. A loop has at most one that runs."""

    def start(self, experiment: Experiment) -> Experiment:
        """Write it. Raises UsageError while another one runs on the loop or the tuner watches it, NotFound."""

    def get(self, experiment_id: str) -> Experiment:
        """One experiment. Raises NotFound."""

    def rows(self, loop: str | None = None, *, running: bool = False, limit: int | None = None) -> list[Experiment]:
        """Experiments, newest first; ``limit``: only so many."""

    def periods(self, experiment_id: str) -> list[Period]:
        """Its periods, in order."""

    def open(self, period: Period, spec: RuleSpec, *, actor: str, note: str) -> Period | None:
        """Record the switch to the period's value and the period, together; ``opened`` is store time.

        A rule that has the value already gets no event and the period begins at once. None: the experiment does not run
        any more, or the period was opened before. Raises UsageError outside the bounds, Paused.
        """

    def begin(self, experiment_id: str, number: int, at: datetime) -> bool:
        """The loop has the value. False: it was noted."""

    def again(self, period: Period, at: datetime) -> bool:
        """The period begins anew at ``at``. False: it has moved on since ``period`` was read."""

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

    def hold(self, experiment_id: str, why: str | None) -> bool:
        """Note why nothing is switched, or that nothing holds it any more. False: that is what it says."""

    def ask_stop(self, experiment_id: str, by: str) -> bool:
        """Ask a running one to end. False: it has ended, or was asked."""

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

        The event is None where the rule has that value already.
        """

    def switches(self, event_ids: Iterable[str]) -> set[str]:
        """Which of these rule events experiments made: their switches, and what gave the rule back at their end."""


class WatchStore(Protocol):
    """The self-tuner's changes. A loop has at most one that is watched."""

    def apply(
        self, decision_id: str, loop: str, spec: RuleSpec, new: float, *, actor: str, note: str, log: Mapping[str, Any]
    ) -> Watch | None:
        """Record the decision, the change and the watch, together; the journal's line gets ``applied``, the event's id.

        None: somebody was first, a change of this loop is watched already, or an experiment runs on it. Raises
        UsageError outside the bounds, Paused.
        """

    def running(self, loop: str) -> Watch | None:
        """The one that is watched."""

    def last(self, loop: str) -> Watch | None:
        """The newest that is settled."""

    def settle(
        self,
        watch: Watch,
        outcome: str,
        why: str,
        *,
        spec: RuleSpec | None,
        back: bool,
        actor: str,
        log: Mapping[str, Any],
    ) -> tuple[bool, RuleEvent | None]:
        """End the watch; ``back``: with the compensating change, unless the rule has been changed since or is not
        declared any more (``spec`` None). False: it had ended."""
