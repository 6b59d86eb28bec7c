"""How an experiment goes along, whatever its kind: its periods, and what ends it before its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.experiments import Experiment, Period
from lumen_workers.domain.signals import SIGNALS

WARN: Final[Mapping[str, float]] = {"phase_diff": 0.03, "risk_band": 0.03}
"""Signal → how much worse than before the experiment is too much (S07's and S11's warn level)."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Lengths in seconds. A period of ``period_s`` begins when the loop has the value; its first ``washout_s`` do not
    count.

    A period with less than ``min_fraction`` of its samples, or in which another rule changed, begins anew, at most
    ``max_restarts`` times; then it counts as missing. Without a sample for ``stale_after_s`` nothing is switched.
    """

    period_s: float
    washout_s: float
    min_fraction: float = 0.8
    max_restarts: int = 3
    stale_after_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.washout_s < self.period_s:
            raise UsageError(
                f"washout_s {self.washout_s:g}: is at least 0 and below period_s ({self.period_s:g}), "
                "or no sample of a period would count"
            )


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What ends an experiment at once.

    ``hard``: signal → (least, greatest) that its mean over the last ``hard_s`` seconds may be. ``warn``: signal → by
    how much it may be worse over the last ``window_s`` seconds than in the ``baseline_s`` seconds before the
    experiment, where an interval of ``level`` says that it is worse at all.
    """

    hard: Mapping[str, Sequence[float]] = field(default_factory=dict)
    warn: Mapping[str, float] = field(default_factory=lambda: dict(WARN))
    hard_s: float = 5.0
    window_s: float = 30.0
    baseline_s: float = 60.0
    level: float = 0.999

    def __post_init__(self) -> None:
        for name in (*self.hard, *self.warn):
            if name not in SIGNALS:
                raise UsageError(f"guard: unknown signal {name!r}; there are {', '.join(SIGNALS)}")
        for name, (least, greatest) in self.hard.items():
            if not 0 <= least < greatest <= 1:
                raise UsageError(f"guard: {name} needs 0 <= least < greatest <= 1, not {least:g} and {greatest:g}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the next period holds, and why."""

    arm: str
    value: float
    pair: int | None = None
    why: Mapping[str, Any] = field(default_factory=dict)


class Design(Protocol):
    """A kind of experiment. It decides from the periods alone, so any worker goes on with it."""

    @property
    def pace(self) -> Pace:
        """Its periods."""

    @property
    def guard(self) -> Guard:
        """What ends it at once."""

    def next(self, periods: Sequence[Period]) -> Plan | None:
        """What comes after ``periods``, which have all ended; None: nothing, it is over."""

    def enough(self, periods: Sequence[Period]) -> str | None:
        """Why it may end before its time; None: it may not."""

    def reward(self, means: Mapping[str, float]) -> float | None:
        """What a period with these means is worth; None where the kind knows no reward."""

    def line(self, periods: Sequence[Period], period: Period) -> Mapping[str, Any]:
        """The journal's line for ``period``, which has just ended, after ``periods``."""

    def result(self, periods: Sequence[Period], tau_s: Mapping[str, float | None]) -> Mapping[str, Any]:
        """The analysis: JSON values. ``tau_s``: signal → time constant, as far as the switches show it."""

    def final(self, experiment: Experiment, result: Mapping[str, Any]) -> float:
        """What the rule is to have after a regular end."""
