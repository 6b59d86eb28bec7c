"""Time. Stored instants are UTC; samples carry microseconds since the Unix epoch (``int``)."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from lumen_workers.domain.errors import UsageError

US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What services ask for the time."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Wait. Values ≤ 0 return at once."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class VirtualClock:
    """A clock that moves only when told to: tests and simulations run days in seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = require_aware(start, "start")
        self._origin = self._now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._origin).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds`` (≥ 0)."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now += timedelta(seconds=seconds)


def require_aware(value: datetime, name: str) -> datetime:
    """``value`` in UTC. Raises UsageError for a datetime without an offset."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise UsageError(f"{name}: {value.isoformat()} has no time zone; add an offset such as +09:00 or Z")
    return value.astimezone(UTC)


def to_us(value: datetime) -> int:
    """Microseconds since the epoch, exact (no float in between)."""
    return (require_aware(value, "time") - _EPOCH) // _MICROSECOND


def from_us(value: int) -> datetime:
    """The instant of ``value`` microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=int(value))


def parse_ts(text: str, name: str = "ts") -> datetime:
    """An ISO 8601 timestamp with an offset, as UTC. Raises UsageError otherwise."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{name}: {text!r} is not an ISO 8601 timestamp, such as 2026-01-31T09:05:00+09:00") from None
    return require_aware(value, name)


def iso(value: datetime) -> str:
    """The one text form of an instant: ISO 8601, UTC, microseconds, ``+00:00``."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of the calendar day ``day`` in ``zone``, as UTC instants.

    A day is 23 or 25 hours long where the zone changes its offset.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day of ``instant`` in ``zone``."""
    return require_aware(instant, "instant").astimezone(zone).date()
