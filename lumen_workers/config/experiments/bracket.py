"""``configs/ab_bracket.yaml`` (S12)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lumen_workers.config.experiments.pace import PacedFile, Seconds
from lumen_workers.config.files import Number
from lumen_workers.experiments.bracket.options import BracketOptions


class BracketFile(PacedFile):
    """A bracket: two values of one rule. ``rounds`` counts pairs.

    ``append_to_rules_history`` is always true: no change of a rule goes unrecorded.
    """

    a: Annotated[Number, Field(alias="A")]
    b: Annotated[Number, Field(alias="B")]
    period_s: Seconds = 120.0
    washout_s: Annotated[Number, Field(ge=0, le=86_400)] = 20.0
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 6
    append_to_rules_history: Literal[True] = True
    order: Literal["randomised", "abab"] = "randomised"
    level: Annotated[Number, Field(gt=0.5, lt=1)] = 0.95
    early_stop: bool = False
    burn_in: Annotated[int, Field(ge=2, le=10_000)] = 6
    primary: str = "risk_band"
    relevant: Annotated[Number, Field(gt=0, le=1)] = 0.01
    keep: Literal["original", "better"] = "original"

    def options(self, loop: str | None = None) -> BracketOptions:
        """What the experiment is started with. Raises UsageError."""
        return BracketOptions(
            loop=loop or self.loop,
            rule=self.rule,
            a=self.a,
            b=self.b,
            pairs=self.rounds,
            pace=self.pace(),
            guard=self.guard.guard(),
            order=self.order,
            level=self.level,
            early_stop=self.early_stop,
            burn_in=self.burn_in,
            primary=self.primary,
            relevant=self.relevant,
            keep=self.keep,
            note=self.note,
        )
