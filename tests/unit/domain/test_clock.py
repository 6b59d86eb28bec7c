"""Time: aware, UTC, exact to the microsecond."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.clock import VirtualClock, day_bounds, day_of, from_us, iso, parse_ts, require_aware, to_us
from lumen_workers.domain.errors import UsageError

SEOUL = ZoneInfo("Asia/Seoul")
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(INSTANTS)
def test_microseconds_come_back_exactly(instant: datetime) -> None:
    assert from_us(to_us(instant)) == instant
    assert parse_ts(iso(instant)) == instant


def test_an_offset_is_understood_and_none_is_refused() -> None:
    assert parse_ts("2026-01-31T09:05:00+09:00") == datetime(2026, 1, 31, 0, 5, tzinfo=UTC)
    with pytest.raises(UsageError, match="has no time zone; add an offset"):
        parse_ts("2026-01-31T09:05:00")
    with pytest.raises(UsageError, match="is not an ISO 8601 timestamp"):
        parse_ts("yesterday")
    with pytest.raises(UsageError, match=r"^since: "):
        require_aware(datetime(2026, 1, 31), "since")  # noqa: DTZ001


def test_the_text_form_is_utc_whatever_the_offset() -> None:
    instant = datetime(2026, 1, 31, 9, 5, tzinfo=timezone(timedelta(hours=9)))
    assert iso(instant) == "2026-01-31T00:05:00.000000+00:00"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Seoul", date(2026, 3, 29), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ],
)
def test_a_day_is_as_long_as_its_zone_says(zone: str, day: date, hours: float) -> None:
    start, end = day_bounds(day, ZoneInfo(zone))
    assert (end - start).total_seconds() == hours * 3600
    assert day_of(start, ZoneInfo(zone)) == day
    assert day_of(end - timedelta(microseconds=1), ZoneInfo(zone)) == day
    assert day_of(end, ZoneInfo(zone)) == day + timedelta(days=1)


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1)))
def test_days_follow_each_other_without_gap_or_overlap(day: date) -> None:
    for zone in (SEOUL, ZoneInfo("America/Los_Angeles"), ZoneInfo("Pacific/Apia")):
        assert day_bounds(day, zone)[1] == day_bounds(day + timedelta(days=1), zone)[0]


def test_a_virtual_clock_moves_only_when_told_to() -> None:
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.sleep(90)
    clock.sleep(-1)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
