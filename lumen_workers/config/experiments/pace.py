"""What every file of an experiment may say about its periods and guardrails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lumen_workers.config.files import Number, Strict
from lumen_workers.experiments.pace import WARN, Guard, Pace

Seconds = Annotated[Number, Field(gt=0, le=86_400)]
Bounds = Annotated[tuple[Number, Number], Field(strict=False)]


class GuardFile(Strict):
    """``guard``: what ends an experiment at once."""

    hard: dict[str, Bounds] = Field(default_factory=dict)
    warn: dict[str, Annotated[Number, Field(gt=0, le=1)]] = Field(default_factory=lambda: dict(WARN))
    hard_s: Seconds = 5.0
    window_s: Seconds = 30.0
    baseline_s: Seconds = 60.0

    def guard(self) -> Guard:
        """Raises UsageError for a name that is no signal, or bounds that are none."""
        return Guard(
            hard=self.hard, warn=self.warn, hard_s=self.hard_s, window_s=self.window_s, baseline_s=self.baseline_s
        )


class PacedFile(Strict):
    """Keys that brackets and bandits share."""

    loop: str = "main"
    rule: str
    period_s: Seconds
    washout_s: Annotated[Number, Field(ge=0, le=86_400)]
    rounds: Annotated[int, Field(ge=1, le=10_000)]
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    min_fraction: Annotated[Number, Field(gt=0, le=1)] = 0.8
    max_restarts: Annotated[int, Field(ge=0, le=100)] = 3
    stale_after_s: Seconds = 10.0
    guard: GuardFile = GuardFile()
    note: Annotated[str, Field(max_length=500)] = ""

    def pace(self) -> Pace:
        """Raises UsageError when the washout leaves nothing of a period."""
        return Pace(
            period_s=self.period_s,
            washout_s=self.washout_s,
            min_fraction=self.min_fraction,
            max_restarts=self.max_restarts,
            stale_after_s=self.stale_after_s,
        )
