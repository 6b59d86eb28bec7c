"""What may be said of which interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import GOOD, SIGNALS
from lumen_workers.effects.intervals import Interval
from lumen_workers.effects.verdicts import RELEVANT, Verdict, verdict


def interval(lo: float, hi: float) -> Interval:
    return Interval(
        delta=(lo + hi) / 2, lo=lo, hi=hi, level=0.95, se=(hi - lo) / 4, phi=0.5, n_eff=60.0, mde=(hi - lo) * 0.7, p=0.5
    )


@pytest.mark.parametrize(
    ("lo", "hi", "good", "said"),
    [
        (0.001, 0.05, 1, Verdict.IMPROVED),
        (0.001, 0.05, -1, Verdict.WORSENED),
        (-0.05, -0.001, -1, Verdict.IMPROVED),
        (-0.05, -0.001, 1, Verdict.WORSENED),
        (0.001, 0.002, 1, Verdict.IMPROVED),
        (-0.01, 0.01, 1, Verdict.NO_CHANGE_DETECTABLE),
        (0.0, 0.004, 1, Verdict.NO_CHANGE_DETECTABLE),
        (-0.004, 0.0, 1, Verdict.NO_CHANGE_DETECTABLE),
        (-0.0101, 0.004, 1, Verdict.INCONCLUSIVE),
        (-0.001, 0.0101, -1, Verdict.INCONCLUSIVE),
        (-0.2, 0.3, 1, Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts_follow_the_interval(lo: float, hi: float, good: int, said: Verdict) -> None:
    assert verdict(interval(lo, hi), good) is said


def test_no_interval_is_insufficient() -> None:
    assert verdict(None, 1) is Verdict.INSUFFICIENT


def test_a_larger_relevant_size_turns_inconclusive_into_no_change() -> None:
    wide = interval(-0.02, 0.03)

    assert verdict(wide, 1) is Verdict.INCONCLUSIVE
    assert verdict(wide, 1, relevant=0.03) is Verdict.NO_CHANGE_DETECTABLE


@given(st.floats(-0.5, 0.5), st.floats(1e-6, 0.5))
def test_turning_signal_and_direction_around_changes_nothing(middle: float, reach: float) -> None:
    one, other = interval(middle - reach, middle + reach), interval(-middle - reach, -middle + reach)

    assert verdict(one, 1) is verdict(other, -1)


@pytest.mark.parametrize("relevant", [0.0, -0.01, float("nan"), float("inf")])
def test_a_relevant_size_that_is_none_is_refused(relevant: float) -> None:
    with pytest.raises(UsageError, match="relevant size"):
        verdict(interval(-1, 1), 1, relevant)


def test_each_signal_has_a_good_direction() -> None:
    assert set(GOOD) == set(SIGNALS)
    assert {name for name, good in GOOD.items() if good > 0} == {"creative_band"}
    assert RELEVANT == 0.01
