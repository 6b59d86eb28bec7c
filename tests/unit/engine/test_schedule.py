"""Slots, and mistakes in the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from hypothesis import given
from hypothesis import strategies as st
from support.contexts import A, B, entries

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.errors import ConfigError
from lumen_workers.engine.schedule import Entry

SEOUL = ZoneInfo("Asia/Seoul")
INSTANTS = st.integers(1_735_689_600_000_000, 1_798_761_600_000_000).map(from_us)
"""Of 2025 and 2026."""


def entry(zone: ZoneInfo = SEOUL, **row: Any) -> Entry:
    return entries(zone=zone, data={"x": {"run": "daily", **row}})["x"]


def test_a_slot_is_the_last_instant_that_was_due() -> None:
    daily = entry(cron="5 9 * * *")
    due = datetime(2026, 2, 1, 0, 5, tzinfo=UTC)
    for late in (timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=23, minutes=59)):
        assert from_us(daily.slot(due + late)) == due
    assert from_us(daily.slot(due - timedelta(microseconds=1))) == due - timedelta(days=1)
    often = entry(every_s=5)
    assert from_us(often.slot(datetime(2026, 2, 1, 0, 0, 9, 999_999, tzinfo=UTC))).second == 5


@given(now=INSTANTS, later=st.integers(0, 10**12))
def test_slots_only_rise(now: datetime, later: int) -> None:
    for one in (entry(cron="5 9 * * *"), entry(cron="*/7 3-5 1,15 * *"), entry(every_s=2.5)):
        first, second = one.slot(now), one.slot(now + timedelta(microseconds=later))
        assert first <= second
        assert from_us(first) <= now


@given(now=INSTANTS, zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]))
def test_where_clocks_change_every_day_has_its_slot(now: datetime, zone: str) -> None:
    daily = entry(ZoneInfo(zone), cron="30 2 * * *")
    due = daily.due_before(now)
    assert timedelta(0) <= now - due <= timedelta(hours=26)


def test_looking_back_goes_through_every_slot() -> None:
    back = entry(cron="5 9 * * *").back(datetime(2026, 2, 1, 0, 5, tzinfo=UTC))
    assert [next(back).astimezone(SEOUL).day for _ in range(3)] == [1, 31, 30]


_FIELDS = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))


@st.composite
def crons(draw: st.DrawFn) -> str:
    def term(low: int, high: int) -> str:
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, high))
        return draw(st.sampled_from(["*", f"*/{step}", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}"]))

    return " ".join(",".join(term(*field) for _ in range(draw(st.integers(1, 2)))) for field in _FIELDS)


@given(cron=crons())
def test_what_we_accept_celery_accepts(cron: str) -> None:
    try:
        accepted = entry(cron=cron).cron
    except ConfigError:
        return
    assert accepted is not None
    crontab.from_string(accepted)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "dict of entries"),
        ({"x": 5}, "needs a dict"),
        ({5: {}}, "name is a text"),
        ({"x": {"run": "daly", "every_s": 5}}, "did you mean daily"),
        ({"x": {"run": ["daily"], "every_s": 5}}, "unknown tick or pipeline"),
        ({"x": {"every_s": 5}}, "unknown tick or pipeline None"),
        ({"x": {"run": "daily"}}, "give one of every_s and cron"),
        ({"x": {"run": "daily", "every_s": 5, "cron": "* * * * *"}}, "give one of every_s and cron"),
        ({"x": {"run": "daily", "cron": None}}, "bad cron None"),
        ({"x": {"run": "daily", "every_s": 0}}, "from 1 to 86400"),
        ({"x": {"run": "daily", "every_s": True}}, "from 1 to 86400"),
        ({"x": {"run": "daily", "every_s": float("nan")}}, "from 1 to 86400"),
        ({"x": {"run": "daily", "every_s": "5"}}, "from 1 to 86400"),
        ({"x": {"run": "daily", "cron": "5 9 * * *", "spread_s": -1}}, "from 0 to 3600, not -1"),
        ({"x": {"run": "daily", "cron": "5 9 * * *", "spread_s": "5m"}}, "from 0 to 3600, not '5m'"),
        ({"x": {"run": "daily", "every_s": 60, "spread_s": 5}}, "spread_s goes with cron"),
        ({"x": {"run": "daily", "cron": "5 25 * * *"}}, "bad cron '5 25"),
        ({"x": {"run": "daily", "cron": "5 9 * *"}}, "five fields"),
        ({"x": {"run": "daily", "cron": "0 5 9 * * *"}}, "five fields"),
        ({"x": {"run": "daily", "cron": "5 9 L * *"}}, "'L' is not made of"),
        ({"x": {"run": "daily", "cron": "5 9 * * MON"}}, "'MON' is not made of"),
        ({"x": {"run": "daily", "cron": "5/10 9 * * *"}}, "'5/10' is not made of"),
        ({"x": {"run": "daily", "cron": "5 9 * * 7"}}, "0 (Sunday) to 6"),
        ({"x": {"run": "daily", "cron": "5 9 31 2 *"}}, "bad cron"),
        ({"x": {"run": "daily", "cron": "*/0 9 * * *"}}, "bad cron"),
        ({"x": {"run": "daily", "every_s": 5, "region": A}}, "unknown key 'region'"),
        ({"x": {"run": "daily", "every_s": 5, "regions": "mars"}}, "regions is"),
        ({"x": {"run": "daily", "every_s": 5, "regions": ["mars"]}}, "regions is"),
        ({"x": {"run": "daily", "every_s": 5, "regions": []}}, "regions is"),
        ({"x": {"run": "daily", "every_s": 5}, "y": {"run": "daily", "every_s": 6, "regions": [B]}}, "already"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_entry(data: Any, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        entries(data=data)
    text = str(error.value)
    assert said in text
    assert text.startswith("s.py: ")
    assert "\n" not in text


def test_regions_may_have_entries_of_their_own() -> None:
    found = entries(
        data={
            "here": {"run": "daily", "cron": " 5  9 * * * ", "regions": [A, A]},
            "there": {"run": "daily", "every_s": 3600, "regions": [B]},
        }
    )
    assert found["here"].regions == (A,)
    assert found["here"].cadence == "5 9 * * * (Asia/Seoul)"
    assert found["there"].cadence == "every 3600 s"
