"""Numbers and foreign text."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.reports.formats import clean, clock, duration, moment, plain, rule_value, share, signed
from lumen_workers.reports.wording import EN, KO


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0834, "+0.083"), (-0.0214, "-0.021"), (0.0, "0.000"), (-0.0004, "0.000"), (0.0004, "0.000"), (None, "–")],
)
def test_changes_are_signed_and_what_is_missing_is_not_zero(value: float | None, text: str) -> None:
    assert signed(value) == text


def test_values() -> None:
    assert (plain(None), plain(0.0), plain(0.25)) == ("–", "0.000", "0.250")
    assert (rule_value(5.0), rule_value(0.22), rule_value(1 / 3)) == ("5", "0.22", "0.333333")


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [
        (0, 0, "–"),
        (0, 7, "0%"),
        (7, 7, "100%"),
        (431_999, 432_000, "99.99%"),
        (1, 432_000, "<0.01%"),
        (1, 3, "33.33%"),
    ],
)
def test_shares_never_round_to_all_or_nothing(part: int, total: int, text: str) -> None:
    assert share(part, total) == text


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0.4, "0.4 s", "0.4초"),
        (12, "12 s", "12초"),
        (200, "3 min 20 s", "3분 20초"),
        (3600, "1 h", "1시간"),
        (7384, "2 h 3 min", "2시간 3분"),
        (86_400 * 3 + 5, "3 d", "3일"),
        (59.7, "1 min", "1분"),
    ],
)
def test_durations(seconds: float, english: str, korean: str) -> None:
    assert duration(round(seconds * 1e6), EN) == english
    assert duration(round(seconds * 1e6), KO) == korean


def test_instants_stand_in_the_reports_zone() -> None:
    instant = datetime(2026, 3, 29, 1, 30, 0, 123, tzinfo=UTC)

    assert moment(instant, ZoneInfo("Europe/Berlin")) == "2026-03-29 03:30:00 +02:00"
    assert clock(instant, ZoneInfo("Asia/Seoul")) == "10:30:00"
    assert clock(1_774_747_800_000_000, ZoneInfo("Asia/Seoul"), seconds=False) == "10:30"


@given(st.text(), st.integers(1, 20))
def test_foreign_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = clean(text, limit)

    assert len(line) <= limit
    assert line == line.strip()
    assert not any(ord(c) < 32 for c in line)


def test_decomposed_hangul_is_composed() -> None:
    assert clean("\u1112\u1161\u11ab\u1100\u1173\u11af\n 두\t줄") == "한글 두 줄"
