"""The analysis of brackets against other people's formulas, against brute force, and against noise that is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from support.plants import START, bracket
from support.proofs.brackets import SD, carried, measure

from lumen_workers.domain.experiments import Period
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.bracket.analysis import EXACT, analyse, paired_t, randomisation
from lumen_workers.experiments.bracket.design import schedule
from lumen_workers.experiments.bracket.run import BracketDesign
from lumen_workers.experiments.bracket.sequential import confidence_sequence

A = [0.250, 0.262, 0.241, 0.259, 0.255, 0.248, 0.263, 0.251]
B = [0.231, 0.240, 0.236, 0.238, 0.229, 0.240, 0.233, 0.241]
D = np.array(B) - np.array(A)


def periods(a: list[float | None], b: list[float | None], seed: int = 5, order: str = "randomised") -> list[Period]:
    """Ended periods with these means of risk_band in the drawn order."""
    values = {"A": a, "B": b}
    out = []
    for number, (pair, arm) in enumerate(schedule(len(a), seed, order), 1):  # type: ignore[arg-type]
        mean = values[arm][pair - 1]
        at = START + timedelta(seconds=120 * number)
        out.append(
            Period(
                experiment_id="xp",
                number=number,
                arm=arm,
                value=0.3,
                pair=pair,
                opened=at,
                began=at,
                ended=at,
                means=None if mean is None else dict.fromkeys(SIGNALS, mean),
            )
        )
    return out


def test_the_paired_interval_is_the_textbooks() -> None:
    expected = ttest_rel(B, A)
    span = paired_t(D, 0.95)
    interval = expected.confidence_interval(0.95)
    assert span.p == pytest.approx(float(expected.pvalue))
    assert span.lo == pytest.approx(float(interval.low))
    assert span.hi == pytest.approx(float(interval.high))


def test_the_randomisation_p_is_that_of_all_assignments() -> None:
    observed = abs(D.mean())
    flips = [np.mean(np.array(signs) * D) for signs in itertools.product((-1, 1), repeat=len(D))]
    expected = np.mean(np.abs(flips) >= observed - 1e-12)
    found = randomisation(D, seed=1, level=0.95)
    assert found.p == pytest.approx(float(expected))
    assert found.lo < D.mean() < found.hi < 0
    for edge in (found.lo, found.hi):
        inside, outside = (randomisation(D - edge * part, seed=1, level=0.95).p for part in (0.999, 1.001))
        assert {inside is not None and inside > 0.05, outside is not None and outside > 0.05} == {True, False}


def test_many_pairs_are_drawn_from_the_seed() -> None:
    d = np.random.default_rng(3).normal(0.5, 1, 24)
    first, again, other = (randomisation(d, seed, 0.95) for seed in (1, 1, 2))
    assert first == again
    assert first.p == pytest.approx(other.p, abs=0.01)
    assert first.p == pytest.approx(paired_t(d, 0.95).p, abs=0.01)


def test_drawn_assignments_answer_like_all_of_them() -> None:
    d = np.random.default_rng(6).normal(0.4, 1, EXACT)
    exact = randomisation(d, 1, 0.95)
    # One more pair without any say: the same question, now to assignments that are drawn.
    drawn = randomisation(np.append(d, 0.0), 1, 0.95)
    assert exact.p is not None
    assert drawn.p == pytest.approx(exact.p, abs=0.01)
    shorter = EXACT / (EXACT + 1)
    assert (drawn.lo, drawn.hi) == pytest.approx((exact.lo * shorter, exact.hi * shorter), abs=0.1)


def test_a_bracket_that_may_have_ended_by_what_it_showed_is_told_by_the_sequence() -> None:
    given_ = periods(list(A), list(B))
    planned, seen = (analyse(given_, "risk_band", seed=5, randomised=True, looked=looked) for looked in (False, True))
    assert seen.running is not None
    assert [seen.lo, seen.hi] == list(seen.running)
    assert (planned.looked, seen.looked) == (False, True)
    assert planned.lo is not None
    assert seen.lo is not None
    assert seen.lo < planned.lo
    assert seen.p == confidence_sequence(D.tolist()).p
    few = analyse(periods([*A[:2]], [*B[:2]], order="abab"), "risk_band", seed=5, randomised=False, looked=True)
    assert (few.lo, few.p, few.verdict) == (None, None, Verdict.INSUFFICIENT)


@pytest.mark.parametrize(("early_stop", "ended", "looked"), [(False, 16, False), (True, 16, True), (False, 12, True)])
def test_the_design_knows_whether_somebody_may_have_looked(early_stop: bool, ended: int, looked: bool) -> None:
    design = BracketDesign(bracket(pairs=8, early_stop=early_stop), seed=5)
    signals = design.result(periods(list(A), list(B))[:ended], {})["signals"]
    assert {answer["looked"] for answer in signals.values()} == {looked}


def test_notes_of_what_is_carried_over_are_false_in_one_experiment_of_twenty() -> None:
    """By four signals that have nothing to do with each other; each at 5 % would be false in one of five."""
    rng, noted = np.random.default_rng(9), 0
    for seed in range(200):
        given_ = [
            replace(period, means=dict(zip(SIGNALS, rng.normal(0.25, 0.01, len(SIGNALS)).tolist(), strict=True)))
            for period in periods([0.25] * 12, [0.25] * 12, seed)
        ]
        warnings = BracketDesign(bracket(pairs=12), seed=seed).result(given_, {})["warnings"]
        noted += any("over into the next period" in said for said in warnings)
    assert 2 <= noted <= 20


def test_missing_periods_drop_their_pair_and_are_counted() -> None:
    given = periods([*A[:7], None], [*B[:3], None, *B[4:]])
    found = analyse(given, "risk_band", seed=5, randomised=True)
    assert (found.pairs, found.missing) == (6, 2)
    assert found.effect == pytest.approx(float(np.mean([*D[:3], *D[4:7]])))
    assert found.verdict is Verdict.IMPROVED


def test_a_fixed_order_has_no_randomisation_test() -> None:
    found = analyse(periods(list(A), list(B), order="abab"), "risk_band", seed=5, randomised=False)
    assert found.randomisation is None
    assert found.p == pytest.approx(paired_t(D, 0.95).p)


def test_constant_series_say_insufficient() -> None:
    found = analyse(periods([0.3] * 6, [0.3] * 6), "risk_band", seed=5, randomised=True)
    assert (found.verdict, found.lo, found.p) == (Verdict.INSUFFICIENT, None, None)
    assert analyse([], "risk_band", seed=5, randomised=True).verdict is Verdict.INSUFFICIENT


means = st.none() | st.floats(0, 1, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(means, means), min_size=0, max_size=12), st.integers(0, 2**62))
def test_every_number_is_finite_or_missing(pairs: list[tuple[float | None, float | None]], seed: int) -> None:
    given_ = periods([a for a, _ in pairs], [b for _, b in pairs], seed)
    answer = analyse(given_, "creative_band", seed=seed, randomised=True).plain()

    def check(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                check(item)
        elif isinstance(value, list | tuple):
            for item in value:
                check(item)
        elif isinstance(value, float):
            assert math.isfinite(value)

    check(answer)


@pytest.mark.parametrize("phi", [0.9, 0.98])
def test_brackets_hold_under_a_drift_where_a_fixed_order_does_not(phi: float) -> None:
    drawn = measure(phi=phi, pairs=10, order="randomised", effect=0.0, drift=SD, runs=300, seed=21)
    fixed = measure(phi=phi, pairs=10, order="abab", effect=0.0, drift=SD, runs=100, seed=21)
    assert 0.92 <= drawn.holds <= 0.985
    assert fixed.holds < 0.5
    assert drawn.naive < 0.5


def test_what_is_carried_over_is_found_without_bias() -> None:
    none, alarms = carried(carry=0.0, runs=150, pairs=20, seed=41)
    assert abs(none) < 0.002
    assert alarms < 0.11
    some, noticed = carried(carry=0.02, runs=100, pairs=20, seed=42)
    assert some == pytest.approx(0.02, abs=0.002)
    assert noticed > 0.9
