"""What a peer's Retry-After comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.pipelines.verdicts.retry_after import MAX_S, parse, retry_after_s

NOON = "Sat, 31 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("86400", MAX_S),
        ("999999999", MAX_S),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 31 Jan 2026 21:00:30 +0900", 30.0),
        ("Saturday, 31-Jan-26 12:00:30 GMT", 30.0),
        ("Sat Jan 31 12:00:30 2026", 30.0),
        ("Sun, 01 Feb 2026 12:00:00 GMT", MAX_S),
        (NOON, 0.0),
        ("Sat, 31 Jan 2026 11:59:59 GMT", None),
        *((garbage, None) for garbage in ("", "-5", "+5", "1e3", "inf", "nan", "soon", "5 s", "0x10", "٥", "1" * 30)),
        *((garbage, None) for garbage in ("Sat, 99 Jan 2026 12:00:00 GMT", "2026-01-31", "Sat", ",", "\x00")),
        (None, None),
    ],
)
def test_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    assert parse(value, NOON) == seconds


def test_without_a_date_of_the_answer_our_clock_counts() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    for sent in (None, "", "yesterday"):
        assert 90 < (parse(soon, sent) or 0) <= 101


@given(st.text() | st.from_regex(r"[-+0-9.eE]{1,12}", fullmatch=True), st.none() | st.text())
def test_any_text_is_seconds_in_range_or_nothing(value: str, sent: str | None) -> None:
    found = parse(value, sent)
    assert found is None or 0 <= found <= MAX_S


@given(st.integers(0, 2 * int(MAX_S)), st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001
def test_a_date_and_the_seconds_until_it_say_the_same(seconds: int, sent: datetime) -> None:
    sent = sent.replace(tzinfo=UTC, microsecond=0)
    until = format_datetime(sent + timedelta(seconds=seconds), usegmt=True)
    assert parse(until, format_datetime(sent, usegmt=True)) == parse(str(seconds)) == min(seconds, MAX_S)


@pytest.mark.parametrize(
    ("own", "seconds"), [(5, 5.0), (0, 0.0), (7200.0, MAX_S), (-1, None), (float("nan"), None), (float("inf"), None)]
)
def test_an_error_of_ours_may_say_it_itself(own: float, seconds: float | None) -> None:
    error = Exception("x")
    error.retry_after_s = own  # type: ignore[attr-defined]
    assert retry_after_s(error) == seconds
