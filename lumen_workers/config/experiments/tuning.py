"""``configs/self_tuning.yaml`` (S11)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lumen_workers.config.files import LoopName, Number, Strict
from lumen_workers.experiments.tuning.options import Bound, Knob, TuningOptions

Unit = Annotated[Number, Field(ge=-1, le=1)]


class BoundFile(Strict):
    """``min``, ``max``, or both."""

    min: Unit | None = None
    max: Unit | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        return self

    def bound(self) -> Bound:
        return Bound(min=self.min, max=self.max)


class KnobFile(Strict):
    """A rule that may be turned. ``init`` is where the loop's declaration starts it: for the reader."""

    init: Number
    min: Number
    max: Number
    lr: Annotated[Number, Field(gt=0)]
    weight: Annotated[Number, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.init <= self.max or self.min == self.max:
            raise ValueError("needs min <= init <= max, and min < max")
        return self


class SafetyFile(Strict):
    """Changes of signals: ``good`` ones, and those that are a warning."""

    good: dict[str, BoundFile]
    warn: dict[str, BoundFile]


class ObjectiveFile(Strict):
    """What counts how much, and which way a rule is expected to help."""

    weights: dict[str, Annotated[Number, Field(ge=0)]]
    direction: dict[LoopName, Literal[-1, 1]]


class TuningFile(Strict):
    """The self-tuner."""

    loops: Annotated[tuple[LoopName, ...], Field(strict=False)]
    targets: dict[str, BoundFile]
    rules: dict[LoopName, KnobFile]
    observe_window_s: Annotated[Number, Field(gt=1, le=3600)] = 90.0
    min_samples: Annotated[int, Field(ge=10)] = 300
    cooldown_s: Annotated[Number, Field(ge=0, le=86_400)] = 120.0
    safety: SafetyFile
    objective: ObjectiveFile
    decision_threshold: Annotated[Number, Field(gt=0.5, lt=1)] = 0.62
    dry_run: bool = True
    max_concurrent_changes: Literal[1] = 1

    @model_validator(mode="after")
    def _directed(self) -> Self:
        if missing := [rule for rule in self.rules if rule not in self.objective.direction]:
            raise ValueError(f"objective.direction: {missing[0]} has none; it is 1 or -1")
        return self

    def options(self) -> TuningOptions:
        """Raises UsageError for a name that is no signal."""
        return TuningOptions(
            targets={name: bound.bound() for name, bound in self.targets.items()},
            rules={
                name: Knob(
                    min=knob.min,
                    max=knob.max,
                    lr=knob.lr,
                    weight=knob.weight,
                    direction=self.objective.direction[name],
                )
                for name, knob in self.rules.items()
            },
            observe_window_s=self.observe_window_s,
            min_samples=self.min_samples,
            cooldown_s=self.cooldown_s,
            good={name: bound.bound() for name, bound in self.safety.good.items()},
            warn={name: bound.bound() for name, bound in self.safety.warn.items()},
            weights=self.objective.weights,
            threshold=self.decision_threshold,
            dry_run=self.dry_run,
        )
