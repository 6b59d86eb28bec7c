"""``configs/rhythm.yaml``: what the surroundings add to the self-tuner's phase target."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from lumen_workers.config.files import Number, Strict
from lumen_workers.loop.rhythm import RhythmOptions, RhythmWeights

_Weight = Annotated[Number, Field(ge=0, le=1000)]


class RhythmWeightsFile(Strict):
    """The say of each contribution."""

    light: _Weight = 0.4
    temperature: _Weight = 0.2
    sound: _Weight = 0.2
    day_cycle: _Weight = 0.2

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.light + self.temperature + self.sound <= 0:
            raise ValueError("light, temperature and sound are all 0; give one a weight, or set source: none")
        return self


class LuxFile(Strict):
    """The range of light that the contribution covers."""

    min: Annotated[Number, Field(ge=0, le=200_000)] = 0.0
    max: Annotated[Number, Field(ge=0, le=200_000)] = 1000.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"needs min < max, not {self.min:g} and {self.max:g}")
        return self


class TemperatureFile(Strict):
    """The usual temperature in °C, and how far it strays."""

    mean: Annotated[Number, Field(ge=-90, le=70)] = 22.0
    sigma: Annotated[Number, Field(gt=0, le=100)] = 3.0


class RhythmFile(Strict):
    """The whole file; the meanings are those of ``RhythmOptions``. The source is checked where it is made."""

    source: str = "none"
    timeout_s: Annotated[Number, Field(ge=0.1, le=30)] = 2.0
    weights: RhythmWeightsFile = RhythmWeightsFile()
    lux: LuxFile = LuxFile()
    temperature: TemperatureFile = TemperatureFile()
    sound_ref_db: Annotated[Number, Field(gt=0, le=200)] = 40.0
    utc_offset_h: Annotated[Number, Field(ge=-12, le=14)] = 9.0
    max_age_s: Annotated[Number, Field(ge=1, le=3600)] = 15.0
    max_correction: Annotated[Number, Field(ge=0, le=0.5)] = 0.02

    def options(self) -> RhythmOptions:
        """The options of the blend."""
        return RhythmOptions(
            weights=RhythmWeights(**self.weights.model_dump()),
            lux_min=self.lux.min,
            lux_max=self.lux.max,
            temp_mean=self.temperature.mean,
            temp_sigma=self.temperature.sigma,
            sound_ref_db=self.sound_ref_db,
            utc_offset_h=self.utc_offset_h,
            max_age_s=self.max_age_s,
            max_correction=self.max_correction,
        )
