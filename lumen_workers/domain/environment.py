"""What surrounds a loop: light, temperature, sound (S14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lumen_workers.domain.records import Record

INPUTS: Final = ("light_intensity", "ambient_temp", "sound_level")
"""Names of the inputs, as in the columns of ``environment.csv`` and the keys of JSON."""

LIMITS: Final = {"light_intensity": (0.0, 200_000.0), "ambient_temp": (-90.0, 70.0), "sound_level": (0.0, 200.0)}
"""Lux, °C and dB that can be: a value outside is a broken sensor's, so it is missing."""


@dataclass(frozen=True, kw_only=True)
class Surrounding(Record):
    """One reading. ``light_intensity`` in lux, ``ambient_temp`` in °C, ``sound_level`` in dB; None: not measured."""

    ts: datetime
    light_intensity: float | None = None
    ambient_temp: float | None = None
    sound_level: float | None = None


@dataclass(frozen=True, kw_only=True)
class Observed(Record):
    """What a source had: readings in ascending order, and one line for what stood in the way (None: nothing)."""

    readings: tuple[Surrounding, ...] = ()
    problem: str | None = None
