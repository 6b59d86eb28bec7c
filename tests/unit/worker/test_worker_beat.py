"""When beat sends, and when it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.beat import ScheduleEntry
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.engine.schedule import Entry
from lumen_workers.worker.beat import DEPTH_CAP, CronSchedule, LaneScheduler

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def cron(expression: str, zone: str = "Asia/Seoul") -> Entry:
    return Entry(name="daily", run="daily", every_s=None, cron=expression, regions=("us-west-2",), zone=ZoneInfo(zone))


def schedule_at(entry: Entry, now: datetime) -> CronSchedule:
    found = CronSchedule(entry)
    found.nowfun = lambda: now
    return found


@pytest.mark.parametrize(
    ("now", "due", "wait_s"),
    [
        ("2026-02-01T09:04:59+09:00", False, 1.0),
        ("2026-02-01T09:05:00+09:00", True, 86_400.0),
        ("2026-02-01T09:05:01+09:00", True, 86_399.0),
    ],
)
def test_a_cron_entry_is_due_when_its_slot_begins(now: str, due: bool, wait_s: float) -> None:
    yesterday = datetime.fromisoformat("2026-01-31T09:05:00.5+09:00")
    found = schedule_at(cron("5 9 * * *"), datetime.fromisoformat(now))
    assert tuple(found.is_due(yesterday)) == (due, wait_s)


def test_day_and_weekday_are_read_as_the_slots_read_them() -> None:
    """Celery's crontab wants both the 1st and a Monday; a crontab line means either."""
    tuesday_the_first = datetime(2026, 9, 1, 9, 0, tzinfo=ZoneInfo("Asia/Seoul"))
    found = schedule_at(cron("0 9 1 * 1"), tuesday_the_first)
    assert found.is_due(tuesday_the_first - timedelta(minutes=1))[0]


@given(
    expression=st.sampled_from(["5 9 * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 * 1", "15 1-3 * 3,11 0"]),
    now=st.integers(0, 366 * 86_400_000_000).map(lambda us: NEW_YEAR + timedelta(microseconds=us)),
)
def test_it_is_sent_once_a_slot_and_its_wait_ends_at_the_next(expression: str, now: datetime) -> None:
    entry = cron(expression, "America/New_York")
    found = schedule_at(entry, now)
    due, wait_s = found.is_due(now - timedelta(days=800))
    assert due
    assert not found.is_due(now)[0]
    assert wait_s > 0
    following = now + timedelta(seconds=wait_s)
    assert entry.slot(following) > entry.slot(now)
    assert entry.slot(following - timedelta(milliseconds=1)) == entry.slot(now)


def test_equal_entries_make_equal_schedules() -> None:
    assert CronSchedule(cron("5 9 * * *")) == CronSchedule(cron("5 9 * * *"))
    assert CronSchedule(cron("5 9 * * *")) != CronSchedule(cron("6 9 * * *"))


@pytest.fixture
def beat() -> Iterator[LaneScheduler]:
    """A scheduler over a broker in memory, with one entry for the lane ``r.jobs``."""
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = {"e": {"task": "lumen.effects", "schedule": 60, "options": {"queue": "r.jobs"}}}
    scheduler = LaneScheduler(app=app)
    with scheduler.connection.channel() as channel:
        yield scheduler
        channel.queue_purge("r.jobs")
    scheduler.close()


def waiting(beat: LaneScheduler) -> int:
    return int(beat.connection.default_channel.queue_declare("r.jobs", passive=True).message_count)


def send(beat: LaneScheduler) -> ScheduleEntry:
    entry = beat.schedule["e"]
    beat.apply_entry(entry, producer=beat.producer)
    return entry


def test_what_recurs_is_due_when_beat_starts(beat: LaneScheduler) -> None:
    assert beat.schedule["e"].is_due().is_due


def test_a_lane_that_nobody_empties_is_fed_up_to_the_cap(beat: LaneScheduler, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(DEPTH_CAP + 5):
        send(beat)
    assert waiting(beat) == DEPTH_CAP
    assert caplog.text.count("not sent") == 5


def test_each_firing_has_a_trace_of_its_own_in_the_message_and_its_header(beat: LaneScheduler) -> None:
    traces = set()
    for _ in range(2):
        send(beat)
        message = beat.connection.default_channel.basic_get("r.jobs", no_ack=True)
        _, arguments, _ = message.decode()
        assert message.headers["lumen_trace_id"] == arguments["trace_id"]
        traces.add(arguments["trace_id"])
    assert len(traces) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", trace) for trace in traces)


def test_a_broker_that_is_away_costs_one_line(
    beat: LaneScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> int:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(beat, "_depth", away)
    send(beat)
    [line] = caplog.records
    assert line.getMessage() == "e: not sent: nobody listens"
    assert line.exc_info is None
