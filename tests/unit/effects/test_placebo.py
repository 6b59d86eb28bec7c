"""Placebo ranks against plain slices, and their rate of false alarms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.history import at, noisy, samples
from support.proofs.discoveries import placebo_alarms

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.records import EffectOptions
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.placebo import FEWEST, Placebo, placebo, placebo_deltas
from lumen_workers.effects.windows import around

OPTIONS = EffectOptions()
EVENT_S = 3600
EVENT = to_us(at(EVENT_S))
NOTHING = dict.fromkeys(SIGNALS, 0.0)


@given(
    away=st.lists(st.integers(0, EVENT_S), max_size=6),
    lost=st.lists(st.tuples(st.integers(0, EVENT_S), st.integers(1, 60)), max_size=6),
)
@settings(max_examples=30, deadline=None)
def test_pseudo_events_are_plain_differences_of_window_means(away: list[int], lost: list[tuple[int, int]]) -> None:
    block = noisy(0, EVENT_S)
    kept = np.ones(len(block), np.bool_)
    for start, length in lost:
        kept &= (block.ts < to_us(at(start))) | (block.ts >= to_us(at(start + length)))
    block = Block(block.ts[kept], block.values[kept])
    away_us = [to_us(at(second)) for second in away]

    expected = []
    for moment in range(EVENT - 30 * US, to_us(at(0)), -30 * US):
        windows = around(moment, OPTIONS)
        pre, post = windows.split(block)
        if min(len(pre), len(post)) < 72.5 or any(windows.pre_start <= us < windows.post_end for us in away_us):
            continue
        expected.append(post.values.mean(axis=0) - pre.values.mean(axis=0))

    found = placebo_deltas(block, EVENT, away_us, OPTIONS, 5)
    np.testing.assert_allclose(found, np.array(expected).reshape(-1, 4), atol=1e-12)


def test_the_rank_counts_the_event_itself() -> None:
    block = noisy(0, EVENT_S)
    sizes = np.abs(placebo_deltas(block, EVENT, [], OPTIONS, 5))
    middle = float(np.sort(sizes[:, 0])[-3])
    count = len(sizes)

    found = placebo(
        block, EVENT, [], {**NOTHING, "phase_diff": -middle, "risk_band": 1.0, "entropy_rate": None}, OPTIONS, 5
    )

    assert count == 119
    assert found == {
        "phase_diff": Placebo(p=4 / (count + 1), count=count),
        "entropy_rate": None,
        "creative_band": Placebo(p=1.0, count=count),
        "risk_band": Placebo(p=1 / (count + 1), count=count),
    }


def test_no_change_of_a_constant_signal_is_no_rarity() -> None:
    block = samples(0, EVENT_S)
    rounding = dict.fromkeys(SIGNALS, 5e-17)

    assert all(rank is not None and rank.p == 1.0 for rank in placebo(block, EVENT, [], rounding, OPTIONS, 5).values())


@pytest.mark.parametrize("quiet_s", [0, 1, 300, 30 * FEWEST])
def test_few_pseudo_events_have_no_rank(quiet_s: int) -> None:
    block = noisy(EVENT_S - quiet_s, EVENT_S) if quiet_s else Block.empty()

    assert placebo(block, EVENT, [], NOTHING, OPTIONS, 5) == dict.fromkeys(SIGNALS)
    enough = noisy(EVENT_S - 30 * (FEWEST + 1), EVENT_S)
    assert None not in placebo(enough, EVENT, [], NOTHING, OPTIONS, 5).values()


def test_a_signal_that_is_not_there_has_no_rank() -> None:
    assert placebo(noisy(0, EVENT_S), EVENT, [], {}, OPTIONS, 5) == dict.fromkeys(SIGNALS)


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_false_alarms_come_as_often_as_they_should(phi: float) -> None:
    # Some 57 pseudo-events: the largest p up to 0.05 is 2/58.
    assert 0.015 <= placebo_alarms(phi=phi, events=150, seed=20260131) <= 0.055
