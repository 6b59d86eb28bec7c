"""Time constants from the switches of an experiment: near the plant's, and none where the switches do not show it."""

from __future__ import annotations

import numpy as np
import pytest
from support.proofs.response import told


def test_the_time_constant_is_the_plants() -> None:
    found = [told(tau_s=5.0, pairs=20, seed=seed)["risk_band"] for seed in range(12)]
    known = [tau for tau in found if tau is not None]
    assert len(known) >= 9
    assert float(np.median(known)) == pytest.approx(5.0, rel=0.25)


def test_a_slow_loop_is_not_taken_for_a_quick_one() -> None:
    known = [tau for seed in range(8) if (tau := told(tau_s=40.0, pairs=20, seed=seed)["risk_band"]) is not None]
    assert float(np.median(known)) == pytest.approx(40.0, rel=0.25)


@pytest.mark.parametrize("phi", [0.9, 0.98])
def test_a_signal_that_does_not_answer_has_none(phi: float) -> None:
    others = [told(tau_s=5.0, pairs=6, seed=seed, phi=phi) for seed in range(10)]
    assert sum(one[name] is not None for one in others for name in ("phase_diff", "entropy_rate")) <= 1


def test_a_loop_without_noise_shows_it_at_once() -> None:
    assert told(tau_s=5.0, pairs=6, seed=1, sd=0.0)["risk_band"] == pytest.approx(5.0, rel=0.06)
    assert told(tau_s=5.0, pairs=6, seed=1, sd=0.0)["phase_diff"] is None


def test_too_few_switches_say_nothing() -> None:
    assert set(told(tau_s=5.0, pairs=1, seed=1, sd=0.0).values()) == {None}
