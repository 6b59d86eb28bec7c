"""Numbers of effects as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.judged import judged, unjudged

from lumen_workers.domain.records import SignalEffect
from lumen_workers.effects.figures import bound, interval, percent, sentence, signed, small


@pytest.mark.parametrize(
    ("value", "text"), [(0.0214, "+0.021"), (-0.03, "-0.030"), (0.0, "+0.000"), (-0.0004, "+0.000"), (1, "+1.000")]
)
def test_changes_are_signed_to_three_decimals(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0214, "+0.021"), (-0.0004, "-0.0004"), (2e-7, "+0.0000002"), (0.0, "+0.000"), (1e-12, "+0.000")],
)
def test_an_end_that_is_not_zero_does_not_read_as_zero(value: float, text: str) -> None:
    assert bound(value) == text


def test_an_interval_in_brackets() -> None:
    assert interval(judged("risk_band", -0.021, 0.009)) == "[-0.030, -0.012]"
    assert interval(unjudged(-0.021)) is None


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "<0.001"), (0.0004, "<0.001"), (0.0005, "0.001"), (0.9999, ">0.999"), (1.0, "1.000")]
)
def test_a_probability_is_never_rounded_to_certainty(value: float, text: str) -> None:
    assert small(value) == text


def test_levels() -> None:
    assert [percent(level) for level in (0.95, 0.999, 0.1)] == ["95 %", "99.9 %", "10 %"]


@pytest.mark.parametrize(
    ("name", "signal", "text"),
    [
        ("creative_band", judged("creative_band", 0.093, 0.022), "rose by 0.093 (95 %: 0.071 to 0.115): improved."),
        ("phase_diff", judged("phase_diff", 0.093, 0.022), "rose by 0.093 (95 %: 0.071 to 0.115): worsened."),
        ("risk_band", judged("risk_band", -0.02, 0.0196), "fell by 0.020 (95 %: 0.0004 to 0.040): improved."),
        (
            "risk_band",
            judged("risk_band", 0.002),
            "no change detectable; if there is one, it is small (95 %: -0.004 to",
        ),
        (
            "risk_band",
            replace(judged("risk_band", 0.004, 0.01), mde=0.02),
            "inconclusive, no change can be told (95 %: -0.006 to +0.014); a change of 0.020 or more would have shown",
        ),
        ("risk_band", unjudged(0.5), "– (measured before effects had intervals)."),
        ("risk_band", replace(unjudged(0.0), verdict="insufficient"), "no interval, the samples scatter too little"),
        ("risk_band", SignalEffect(verdict="insufficient"), "too few samples on one side."),
    ],
)
def test_each_verdict_in_plain_words(name: str, signal: SignalEffect, text: str) -> None:
    said = sentence(name, signal)

    assert said.startswith(name)
    assert text in said
    assert said.endswith(".")
