"""The natural rhythm by hand: each contribution, the blend, the bound, and what is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.environment import Surrounding
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments.tuning.options import Bound
from lumen_workers.loop.rhythm import (
    AFFECTS,
    RhythmOptions,
    RhythmSync,
    RhythmWeights,
    blended,
    correction,
    day_cycle,
)

MIDNIGHT = datetime(2026, 1, 30, 15, 0, tzinfo=UTC)
"""In Seoul."""
NOON = MIDNIGHT + timedelta(hours=12)
OPTIONS = RhythmOptions()


def at(now: datetime, **values: float | None) -> RhythmSync:
    return correction([Surrounding(ts=now, **values)], now, OPTIONS)


def test_the_day_begins_at_midnight_of_its_offset() -> None:
    assert day_cycle(MIDNIGHT, 9.0) == 1.0
    assert day_cycle(NOON, 9.0) == pytest.approx(0.0, abs=1e-15)
    assert day_cycle(MIDNIGHT + timedelta(hours=6), 9.0) == pytest.approx(0.5)
    assert day_cycle(MIDNIGHT, 0.0) == pytest.approx(0.5 * (1 + math.cos(2 * math.pi * 15 / 24)))
    assert day_cycle(MIDNIGHT, -5.5) == pytest.approx(0.5 * (1 + math.cos(2 * math.pi * 9.5 / 24)))


@pytest.mark.parametrize(
    ("lux", "now", "wanted"),
    [
        (500.0, MIDNIGHT, 1.0),
        (0.0, MIDNIGHT, 0.0),
        (1000.0, MIDNIGHT, math.sin(math.pi)),
        (0.0, NOON, math.sin(-0.5)),
        (500.0, NOON, math.cos(0.5)),
        (250.0, MIDNIGHT + timedelta(hours=6), math.sin(math.pi / 4 - 0.25)),
        (50_000.0, MIDNIGHT, math.sin(math.pi)),
    ],
)
def test_light(lux: float, now: datetime, wanted: float) -> None:
    assert at(now, light_intensity=lux).contributions["light"] == pytest.approx(wanted, abs=1e-12)


def test_temperature_and_sound() -> None:
    found = at(NOON, ambient_temp=26.5, sound_level=400.0 / 10).contributions
    assert found["temperature"] == pytest.approx(1.5)
    assert found["sound"] == 0.0
    assert at(NOON, sound_level=80.0).contributions["sound"] == pytest.approx(math.log10(2.0))
    assert at(NOON, ambient_temp=-11.0).contributions["temperature"] == pytest.approx(-11.0)


def target(usual: float, sync: RhythmSync | None) -> float | None:
    """The self-tuner's phase target with the correction."""
    shift = None if sync is None else sync.delta_phase
    return Bound(max=usual).moved(shift or 0.0).max


def test_blend_and_correction_by_hand() -> None:
    found = at(MIDNIGHT, light_intensity=500.0, ambient_temp=20.5, sound_level=4.0)
    assert found.contributions == pytest.approx({"light": 1.0, "temperature": -0.5, "sound": -1.0, "day_cycle": 1.0})
    assert found.blend == pytest.approx(0.4 - 0.1 - 0.2 + 0.2)
    assert found.delta_phase == pytest.approx(0.3 * 0.02)
    assert target(0.05, found) == pytest.approx(0.056)


def test_a_missing_input_takes_its_weight_along() -> None:
    found = at(MIDNIGHT, ambient_temp=23.5)
    assert (found.contributions["light"], found.contributions["sound"]) == (None, None)
    assert found.blend == pytest.approx((0.2 * 0.5 + 0.2 * 1.0) / 0.4)


def test_with_nothing_measured_the_time_of_day_corrects_nothing() -> None:
    for found in (correction([], NOON, OPTIONS), at(NOON), at(NOON, sound_level=0.0)):
        assert (found.blend, found.delta_phase) == (None, None)
        assert found.contributions["day_cycle"] is not None
        assert target(0.05, found) == 0.05
    assert target(0.05, None) == 0.05


def test_what_cannot_be_is_missing() -> None:
    # A sensor that has come off says −127 °C.
    assert at(NOON, ambient_temp=-127.0).contributions["temperature"] is None
    assert at(NOON, light_intensity=-1.0).contributions["light"] is None
    assert at(NOON, sound_level=500.0).contributions["sound"] is None
    assert at(NOON, ambient_temp=math.nan).inputs["ambient_temp"] is None


def test_inputs_are_means_of_the_readings_that_are_recent() -> None:
    def reading(seconds: float, **values: float | None) -> Surrounding:
        return Surrounding(ts=NOON + timedelta(seconds=seconds), **values)

    readings = [
        reading(-15.0, ambient_temp=60.0),
        reading(-14.9, ambient_temp=20.0),
        reading(-5.0, ambient_temp=None, sound_level=80.0),
        reading(0.0, ambient_temp=26.0),
        reading(0.1, ambient_temp=60.0),
    ]
    found = correction(readings, NOON, OPTIONS)
    assert found.inputs == {"light_intensity": None, "ambient_temp": 23.0, "sound_level": 80.0}
    assert found.readings == 3


def test_the_correction_is_bounded() -> None:
    hot = at(NOON, ambient_temp=60.0)
    assert hot.blend is not None
    assert hot.blend > 1.0
    assert hot.delta_phase == 0.02
    assert at(NOON, ambient_temp=-60.0).delta_phase == -0.02
    assert target(0.01, at(NOON, ambient_temp=-60.0)) == 0.0
    assert target(0.99, hot) == 1.0


@given(
    st.floats(0, 200_000) | st.none(),
    st.floats(-90, 70) | st.none(),
    st.floats(0, 200) | st.none(),
    st.integers(0, 86_399),
)
def test_whatever_is_measured_the_correction_is_within_its_bound(
    lux: float | None, celsius: float | None, decibel: float | None, second: int
) -> None:
    now = MIDNIGHT + timedelta(seconds=second)
    found = at(now, light_intensity=lux, ambient_temp=celsius, sound_level=decibel)
    assert (found.delta_phase is None) == (found.blend is None)
    assert found.delta_phase is None or abs(found.delta_phase) <= 0.02
    assert found.contributions["day_cycle"] is not None
    assert 0.0 <= found.contributions["day_cycle"] <= 1.0


def test_weights_are_proportions() -> None:
    contributions = {"light": 0.5, "temperature": None, "sound": -0.5, "day_cycle": 0.0}
    weights = RhythmWeights(light=3.0, temperature=9.0, sound=1.0, day_cycle=0.0)
    assert blended(contributions, weights) == pytest.approx(0.25)
    assert blended(contributions, replace(weights, light=30.0, sound=10.0)) == pytest.approx(0.25)
    assert blended(contributions, RhythmWeights(light=0, temperature=1, sound=0, day_cycle=0)) is None


def test_every_contribution_stands_for_a_signal() -> None:
    assert list(AFFECTS) == list(at(NOON).contributions)
    assert set(AFFECTS.values()) == set(SIGNALS)
    assert AFFECTS["day_cycle"] == "risk_band"


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        correction([], datetime(2026, 1, 31), OPTIONS)  # noqa: DTZ001
