"""What a bracket is started with: recorded in the store, so that it goes by this to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import RuleSpec
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments.pace import Guard, Pace

MIN_PAIRS = 6
"""Fewer randomised pairs cannot give a randomisation p-value of 5 % or less: 2/2⁵ is above it."""


@dataclass(frozen=True, kw_only=True)
class BracketOptions:
    """``a`` and ``b`` are values of ``rule``; ``pairs`` counts pairs of one period each.

    ``order``: ``randomised`` within each pair, or ``abab`` as the source had it. ``level`` of the intervals, in (0, 1).
    ``early_stop``: end when the always-valid sequence of ``primary`` excludes zero, not before ``burn_in`` pairs.
    ``relevant``: the change of a signal that matters. ``keep``: what the rule has afterwards: the ``original`` value,
    or the ``better`` one where the answer is clear.
    """

    loop: str
    rule: str
    a: float
    b: float
    pairs: int
    pace: Pace
    guard: Guard = field(default_factory=Guard)
    order: Literal["randomised", "abab"] = "randomised"
    level: float = 0.95
    early_stop: bool = False
    burn_in: int = 6
    primary: str = "risk_band"
    relevant: float = 0.01
    keep: Literal["original", "better"] = "original"
    note: str = ""

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise UsageError(f"A and B are both {self.a:g}: a bracket needs two values")
        if self.order == "randomised" and self.pairs < MIN_PAIRS:
            raise UsageError(
                f"rounds: {self.pairs} pairs are too few to tell anything; use at least {MIN_PAIRS}, or `order: abab` "
                "for the fixed sequence A B A B, which has no randomisation p-value"
            )
        if self.pairs < 2:
            raise UsageError(f"rounds: at least 2 pairs, not {self.pairs}")
        if not 0.5 < self.level < 1:
            raise UsageError(f"level {self.level:g}: is above 0.5 and below 1")
        if not 0 < self.relevant <= 1:
            raise UsageError(f"relevant {self.relevant:g}: is above 0, and at most 1")
        if self.primary not in SIGNALS:
            raise UsageError(f"primary: unknown signal {self.primary!r}; there are {', '.join(SIGNALS)}")

    def check(self, spec: RuleSpec) -> None:
        """Raises UsageError when a value is outside the rule's bounds."""
        for name, value in (("A", self.a), ("B", self.b)):
            if not spec.min <= value <= spec.max:
                raise UsageError(
                    f"{name} {value:g}: {spec.name} of loop {self.loop} is within {spec.min:g} to {spec.max:g}"
                )

    @property
    def duration_s(self) -> float:
        """How long it takes when nothing holds it, in seconds."""
        return 2 * self.pairs * self.pace.period_s

    def recorded(self) -> dict[str, Any]:
        """As the store keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """From what the store keeps."""
        return cls(**{**config, "pace": Pace(**config["pace"]), "guard": Guard(**config["guard"])})
