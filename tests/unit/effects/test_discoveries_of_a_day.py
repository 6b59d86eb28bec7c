"""Which effects are one family for the false discovery rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from support import store_records as records

from lumen_workers.domain.records import Effect, EffectOptions, RuleEvent, SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.discoveries import by_day, of_one_day

ZONE = ZoneInfo("Asia/Seoul")
MIDNIGHT = records.T0 - timedelta(hours=9)


def row(
    name: str, *p: float | None, hours: float = 0.0, options: EffectOptions = records.OPTIONS, loop: str = "main"
) -> tuple[RuleEvent, Effect]:
    """An event so many hours after a day began, with these p-values."""
    event = records.event(name, ts=MIDNIGHT + timedelta(hours=hours), loop=loop)
    signals = {signal: SignalEffect(p=value) for signal, value in zip(SIGNALS, p, strict=True)}
    return event, records.effect(event, options=options, signals=signals)


def test_all_signals_of_all_events_are_one_family() -> None:
    effects = [row("a", 0.01, 0.5, None, 0.02)[1], row("b", 0.03, None, None, None)[1]]

    found = of_one_day(effects)

    key = effects[0].effect_id
    assert found == {
        (key, "phase_diff"): pytest.approx(0.04),
        (key, "risk_band"): pytest.approx(0.04),
        (effects[1].effect_id, "phase_diff"): pytest.approx(0.04),
        (key, "entropy_rate"): pytest.approx(0.5),
    }


def test_days_and_options_are_families_of_their_own_and_loops_are_not() -> None:
    alone = row("a", 0.01, None, None, None)
    other_loop = row("b", 0.04, None, None, None, hours=23.9, loop="other")
    before = row("c", 0.9, None, None, None, hours=-0.1)
    longer = row("d", 0.9, None, None, None, options=replace(records.OPTIONS, pre_s=60.0))

    q = by_day([before, alone, longer, other_loop], ZONE)

    assert q == {
        (alone[1].effect_id, "phase_diff"): pytest.approx(0.02),
        (other_loop[1].effect_id, "phase_diff"): pytest.approx(0.04),
        (before[1].effect_id, "phase_diff"): pytest.approx(0.9),
        (longer[1].effect_id, "phase_diff"): pytest.approx(0.9),
    }


def test_without_any_interval_there_is_no_rate() -> None:
    assert by_day([row("a", None, None, None, None)], ZONE) == {}
    assert of_one_day([]) == {}
