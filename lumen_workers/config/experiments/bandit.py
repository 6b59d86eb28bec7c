"""``configs/bandit_rules.yaml``: several values of one rule, tried against each other."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lumen_workers.config.experiments.pace import PacedFile
from lumen_workers.config.files import LoopName, Number, Strict
from lumen_workers.experiments.bandit.options import BanditOptions, Weights
from lumen_workers.experiments.bandit.run import BanditPlan

_Weight = Annotated[Number, Field(ge=0, le=1000)]
_Scatter = Annotated[Number, Field(gt=0, le=1)]


class WeightsFile(Strict):
    """What a unit of each signal is worth in the reward."""

    phase_diff: _Weight = 0.5
    risk_band: _Weight = 0.3
    creative_band: _Weight = 0.2

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.phase_diff + self.risk_band + self.creative_band <= 0:
            raise ValueError("are all 0, so every arm would earn the same; give at least one of them")
        return self


class PriorFile(Strict):
    """What is believed before the first round."""

    type: Literal["normal"] = "normal"
    mu0: Number = 0.0
    sigma0: _Scatter = 0.05
    noise_sigma: _Scatter = 0.05
    noise_df: Annotated[Number, Field(gt=2, le=10_000)] = 4.0


class BanditFile(PacedFile):
    """The whole file; the meanings are those of ``BanditOptions``."""

    rule: LoopName = "risk_max"
    arms: Annotated[tuple[Number, ...], Field(strict=False, min_length=2)] = (0.34, 0.32, 0.30)
    weights: WeightsFile = WeightsFile()
    period_s: Annotated[Number, Field(ge=1, le=86_400)] = 150.0
    washout_s: Annotated[Number, Field(ge=0, le=86_400)] = 20.0
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 6
    prior: PriorFile = PriorFile()
    floor: Annotated[Number, Field(ge=0, le=0.5)] = 0.05
    discount: Annotated[Number, Field(gt=0, le=1)] = 0.98
    stop_probability: Annotated[Number, Field(gt=0.5, lt=1)] | None = 0.99
    stop_rounds: Annotated[int, Field(ge=1, le=1000)] = 3
    stop_loss: Annotated[Number, Field(gt=0, le=1)] | None = None
    keep: Literal["original", "best"] = "original"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if twice := [arm for arm in dict.fromkeys(self.arms) if self.arms.count(arm) > 1]:
            raise ValueError(f"arms: {', '.join(f'{arm:g}' for arm in twice)} stands twice; every arm is another value")
        if self.washout_s >= self.period_s:
            raise ValueError(f"washout_s must be shorter than period_s, not {self.washout_s:g} of {self.period_s:g} s")
        if self.floor * len(self.arms) > 1:
            raise ValueError(
                f"floor: {len(self.arms)} arms with {self.floor:g} each are more than 1; at most {1 / len(self.arms):g}"
            )
        return self

    def options(self, seed: int) -> BanditOptions:
        """The options of a bandit that begins; ``seed`` stands in where the file gives none."""
        return BanditOptions(
            rule=self.rule,
            arms=self.arms,
            seed=seed if self.seed is None else self.seed,
            weights=Weights(**self.weights.model_dump()),
            rounds=self.rounds,
            mu0=self.prior.mu0,
            sigma0=self.prior.sigma0,
            noise_sigma=self.prior.noise_sigma,
            noise_df=self.prior.noise_df,
            discount=self.discount,
            floor=self.floor,
            stop_probability=self.stop_probability,
            stop_rounds=self.stop_rounds,
            stop_loss=self.stop_loss,
        )

    def plan(self, seed: int, loop: str | None = None) -> BanditPlan:
        """What the experiment is started with. Raises UsageError."""
        return BanditPlan(
            loop=loop or self.loop,
            bandit=self.options(seed),
            pace=self.pace(),
            guard=self.guard.guard(),
            keep=self.keep,
            note=self.note,
        )
