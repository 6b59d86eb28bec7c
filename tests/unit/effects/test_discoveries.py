"""The false discovery rate: its rule, and a day's share of false findings by simulation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.proofs.discoveries import Q, discovery_rates

from lumen_workers.effects.discoveries import q_values

probability = st.none() | st.floats(0, 1)


@given(st.lists(probability, max_size=40))
@settings(deadline=None)  # the first call imports scipy.stats
def test_q_values_are_benjamini_and_hochbergs(given_p: list[float | None]) -> None:
    found = q_values(given_p)

    known = sorted(p for p in given_p if p is not None)
    assert len(found) == len(given_p)
    for p, q in zip(given_p, found, strict=True):
        if p is None:
            assert q is None
            continue
        # The step-up: the smallest m·p(j)/j over all p(j) from p on.
        expected = min(1.0, *(len(known) * other / rank for rank, other in enumerate(known, 1) if other >= p), 1.0)
        assert q == pytest.approx(expected, rel=1e-12)


def test_what_is_missing_counts_as_no_test() -> None:
    assert q_values([0.01, None, 0.04]) == [*q_values([0.01, 0.04])[:1], None, *q_values([0.01, 0.04])[1:]]
    assert q_values([]) == []
    assert q_values([None]) == [None]


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        q_values([0.5, p])


def test_few_of_a_days_findings_are_false_though_windows_and_signals_go_together() -> None:
    rates = discovery_rates(phi=0.6, effect=0.05, days=60, seed=20260131)

    # 60 days of about nine findings each: the mean share scatters by 0.015.
    assert rates.false_discoveries <= Q + 0.03
    assert rates.found >= 0.75


def test_a_day_without_effects_seldom_has_a_finding() -> None:
    assert discovery_rates(phi=0.6, effect=0.0, days=100, seed=5).false_discoveries <= Q + 0.06
