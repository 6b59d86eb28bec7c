"""The natural rhythm: what light, temperature, sound and the time of day add to the phase target (S14). Pure functions.

With t the seconds of the day at UTC + ``utc_offset_h``, and each input the mean of its readings:

    light        sin(π·x − t/86400),  x = (lux − lux_min)/(lux_max − lux_min), limited to [0, 1]   → phase diff
    temperature  (°C − mean)/σ                                                                     → entropy rate
    sound        log10(dB/ref)                                                                     → creative band
    day cycle    0.5·(1 + cos(2π·t/86400)): 1 at midnight, 0 at noon                               → risk band

    blend        Σ w·c / Σ w over the contributions that are there
    Δphase       max_correction · blend, limited to ± max_correction
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from lumen_workers.domain.clock import US, require_aware, to_us
from lumen_workers.domain.environment import INPUTS, LIMITS, Surrounding
from lumen_workers.domain.records import Record

DAY_S: Final = 86_400.0

AFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {"light": "phase_diff", "temperature": "entropy_rate", "sound": "creative_band", "day_cycle": "risk_band"}
)
"""Contribution → the signal that it stands for."""


@dataclass(frozen=True, kw_only=True)
class RhythmWeights(Record):
    """The say of each contribution, ≥ 0; only their proportions matter."""

    light: float = 0.4
    temperature: float = 0.2
    sound: float = 0.2
    day_cycle: float = 0.2


@dataclass(frozen=True, kw_only=True)
class RhythmOptions(Record):
    """Lux, °C, dB, hours and seconds. ``lux_min`` < ``lux_max``; ``temp_sigma``, ``sound_ref_db`` > 0.

    Readings older than ``max_age_s`` do not count. ``max_correction`` ≥ 0 is in units of phase diff.
    """

    weights: RhythmWeights = RhythmWeights()
    lux_min: float = 0.0
    lux_max: float = 1000.0
    temp_mean: float = 22.0
    temp_sigma: float = 3.0
    sound_ref_db: float = 40.0
    utc_offset_h: float = 9.0
    max_age_s: float = 15.0
    max_correction: float = 0.02


@dataclass(frozen=True, kw_only=True)
class RhythmSync(Record):
    """The rhythm at ``ts``: contributions by AFFECTS' names (None: its input is missing), their blend, the correction.

    ``inputs`` has the means by INPUTS' names. Without any input ``blend`` and ``delta_phase`` are None: the time of
    day alone corrects nothing. ``readings`` counts those within the age limit.
    """

    ts: datetime
    inputs: Mapping[str, float | None]
    contributions: Mapping[str, float | None]
    blend: float | None
    delta_phase: float | None
    readings: int


def correction(readings: Sequence[Surrounding], now: datetime, options: RhythmOptions) -> RhythmSync:
    """What the surroundings add to the phase target at ``now``.

    Each input is the mean of its readings in (now − max_age_s, now]; a value that cannot be is missing, and a missing
    input's weight is left out.
    """
    now = require_aware(now, "now")
    recent = [one for one in readings if since(now, options) < one.ts <= now]
    inputs = {name: _mean(recent, name) for name in INPUTS}
    contributions = {
        "light": _light(inputs["light_intensity"], now, options),
        "temperature": _temperature(inputs["ambient_temp"], options),
        "sound": _sound(inputs["sound_level"], options),
        "day_cycle": day_cycle(now, options.utc_offset_h),
    }
    measured = any(value is not None for name, value in contributions.items() if name != "day_cycle")
    blend = blended(contributions, options.weights) if measured else None
    return RhythmSync(
        ts=now,
        inputs=inputs,
        contributions=contributions,
        blend=blend,
        delta_phase=None if blend is None else options.max_correction * min(max(blend, -1.0), 1.0),
        readings=len(recent),
    )


def since(now: datetime, options: RhythmOptions) -> datetime:
    """Readings at or before this are too old to count at ``now``."""
    return now - timedelta(seconds=options.max_age_s)


def blended(contributions: Mapping[str, float | None], weights: RhythmWeights) -> float | None:
    """Σ w·c / Σ w over what is not None; None when that has no weight."""
    there = [(getattr(weights, name), value) for name, value in contributions.items() if value is not None]
    total = math.fsum(weight for weight, _ in there)
    return math.fsum(weight * value for weight, value in there) / total if total > 0.0 else None


def day_cycle(now: datetime, utc_offset_h: float) -> float:
    """0.5·(1 + cos(2π·t/86400))."""
    return 0.5 * (1.0 + math.cos(2.0 * math.pi * _of_day(now, utc_offset_h)))


def _light(lux: float | None, now: datetime, options: RhythmOptions) -> float | None:
    if lux is None:
        return None
    part = min(max((lux - options.lux_min) / (options.lux_max - options.lux_min), 0.0), 1.0)
    return math.sin(math.pi * part - _of_day(now, options.utc_offset_h))


def _temperature(celsius: float | None, options: RhythmOptions) -> float | None:
    return None if celsius is None else (celsius - options.temp_mean) / options.temp_sigma


def _sound(decibel: float | None, options: RhythmOptions) -> float | None:
    # At 0 dB and below the logarithm has no value.
    return None if decibel is None or decibel <= 0.0 else math.log10(decibel) - math.log10(options.sound_ref_db)


def _of_day(now: datetime, utc_offset_h: float) -> float:
    """The part of the day that has passed, in [0, 1)."""
    day = round(DAY_S) * US
    return ((to_us(now) + round(utc_offset_h * 3600 * US)) % day) / day


def _mean(readings: Sequence[Surrounding], name: str) -> float | None:
    low, high = LIMITS[name]
    values = [value for one in readings if (value := getattr(one, name)) is not None and low <= value <= high]
    return math.fsum(values) / len(values) if values else None
