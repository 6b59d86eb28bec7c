"""Phase lock from samples: what is old, thin or missing is never aligned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.clock import US
from lumen_workers.domain.signals import Block
from lumen_workers.loop.alignment import Limits, align

NOW = 1_800_000_000 * US
LIMITS = Limits()
RATE = 5
STEP = US // RATE


def block(phase: list[float], risk: list[float] | None = None, *, end_us: int = NOW) -> Block:
    """Samples on the grid up to ``end_us``."""
    count = len(phase)
    ts = end_us - np.arange(count - 1, -1, -1, dtype=np.int64) * STEP
    return Block(ts, np.column_stack([phase, [0.2] * count, [0.3] * count, risk or [0.1] * count]))


@pytest.mark.parametrize(
    ("phase", "risk", "locked"),
    [
        (0.05, 0.1999, True),
        (0.0501, 0.1, False),
        (0.05, 0.2, False),
        (0.0, 0.0, True),
        (1.0, 1.0, False),
    ],
)
def test_the_limits_are_those_of_the_specification(phase: float, risk: float, locked: bool) -> None:
    seen = align(block([phase] * 60, [risk] * 60), RATE, LIMITS, NOW)
    assert (seen.locked, seen.word, seen.why == "") == (locked, "locked" if locked else "seeking", locked)
    assert seen.phase_diff == pytest.approx(phase)
    assert seen.risk_band == pytest.approx(risk)
    assert seen.lost_s == (0 if locked else None)


def test_one_wild_sample_decides_nothing() -> None:
    assert align(block([0.01] * 59 + [0.9]), RATE, LIMITS, NOW).locked
    assert not align(block([0.3] * 59 + [0.0]), RATE, LIMITS, NOW).locked


def test_since_when_the_loop_is_off() -> None:
    off = align(block([0.01] * 60 + [0.5] * 50), RATE, LIMITS, NOW)
    assert not off.locked
    assert off.lost_s is not None
    assert 7.5 < off.lost_s < 10
    assert "phase_diff 0.500 is above 0.05" in off.why


def test_what_is_old_is_not_aligned() -> None:
    assert align(block([0.01] * 60, end_us=NOW - 5 * US), RATE, LIMITS, NOW).locked
    stale = align(block([0.01] * 60, end_us=NOW - 5 * US - 1), RATE, LIMITS, NOW)
    assert (stale.locked, stale.flowing, stale.phase_diff) == (False, False, None)
    assert stale.lost_s == stale.silent_s == pytest.approx(5.0)
    nothing = align(Block.empty(), RATE, LIMITS, NOW)
    assert (nothing.locked, nothing.flowing, nothing.lost_s, nothing.silent_s) == (False, False, None, None)


def test_a_thin_window_says_nothing() -> None:
    thin = align(block([0.01] * 12), RATE, LIMITS, NOW)
    assert (thin.locked, thin.flowing, thin.phase_diff) == (False, True, None)
    assert "too few" in thin.why
    assert align(block([0.01] * 13), RATE, LIMITS, NOW).locked


def test_the_thresholds_of_the_specification_are_told() -> None:
    made = block([0.01] * 60, [0.1] * 60)
    assert align(made, RATE, LIMITS, NOW).notes == ()
    made.values[:, 2] = 0.21
    assert align(made, RATE, LIMITS, NOW).notes == ("creative_band 0.210 is below 0.22",)
    made.values[:, 3] = 0.36
    assert align(made, RATE, LIMITS, NOW).notes[1] == "risk_band 0.360 is above 0.35"


@given(
    st.lists(st.tuples(st.floats(0, 0.1), st.floats(0, 0.4)), min_size=1, max_size=120),
    st.integers(0, 20 * US),
)
def test_it_is_what_a_plain_look_at_every_window_gives(rows: list[tuple[float, float]], age_us: int) -> None:
    made = block([phase for phase, _ in rows], [risk for _, risk in rows], end_us=NOW - age_us)
    aligned = []
    for end in made.ts:
        inside = (made.ts <= end) & (made.ts > end - 5 * US)
        if inside.sum() >= 12.5:
            phase, risk = made.values[inside][:, 0].mean(), made.values[inside][:, 3].mean()
            if abs(phase - 0.05) < 1e-8 or abs(risk - 0.2) < 1e-8:
                return  # on the edge the last bits decide
            if phase <= 0.05 and risk < 0.2:
                aligned.append(int(end))
    seen = align(made, RATE, LIMITS, NOW)
    assert seen.locked == (age_us <= 5 * US and aligned[-1:] == [int(made.ts[-1])])
    assert seen.lost_s == (pytest.approx((NOW - aligned[-1]) / US) if aligned else None)
