"""Records of an experiment: what was planned when it started, and each period in which one value was held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from lumen_workers.domain.records import Record


class ExperimentKind(StrEnum):
    """A bracket compares two values in pairs of periods; a bandit looks for the best of several."""

    BRACKET = "bracket"
    BANDIT = "bandit"


class ExperimentState(StrEnum):
    """Where an experiment stands.

    ``done``: it ran to its planned or early end; ``stopped``: a person ended it; ``aborted``: a guardrail, a change of
    the rule by somebody else or a loop that could not be reached ended it.
    """

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    ABORTED = "aborted"


@dataclass(frozen=True, kw_only=True)
class Experiment(Record):
    """An experiment on one rule of one loop.

    ``config`` is what it was started with and goes by to its end, whatever becomes of the file. ``original`` is the
    rule's value before it. ``held``: why nothing is switched at the moment. ``stop_by``: who asked it to end.
    ``result`` is the analysis, written when it ends.
    """

    experiment_id: str
    loop: str
    rule: str
    kind: ExperimentKind
    state: ExperimentState
    config: Mapping[str, Any]
    seed: int
    original: float
    started: datetime
    by: str
    planned: int
    held: str | None = None
    stop_by: str | None = None
    ended: datetime | None = None
    reason: str | None = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Period(Record):
    """One value held for one period; ``number`` counts from 1.

    ``event_id``: the rule change that began it; None where the rule had the value already. ``began``: when the loop
    had the value (None: not yet), moved on when the period begins anew (``restarts``). ``means``: signal → mean after
    the washout; None in a period that has ended: too few samples. ``plan``: why this arm (propensities, draws).
    """

    experiment_id: str
    number: int
    arm: str
    value: float
    opened: datetime
    pair: int | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)
    event_id: str | None = None
    began: datetime | None = None
    restarts: int = 0
    ended: datetime | None = None
    n: int | None = None
    means: Mapping[str, float] | None = None
    reward: float | None = None


@dataclass(frozen=True, kw_only=True)
class Watch(Record):
    """A change that the self-tuner made, watched until it is confirmed or taken back."""

    decision_id: str
    loop: str
    rule: str
    event_id: str
    started: datetime
    settled: datetime | None = None
    outcome: str | None = None
    why: str | None = None
