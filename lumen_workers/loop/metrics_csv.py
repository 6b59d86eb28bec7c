"""The S02 file form of samples, ``metrics.csv``: one parser and one formatter for followers, import and export."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import SIGNALS, Block, Reading

COLUMNS: Final = ("ts", *SIGNALS)
HEADER: Final = ",".join(COLUMNS)
"""First line of every file, without its newline."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400 * US
_LIMIT_US = 253_402_300_800 * US  # the year 10000, which datetime cannot show


class Reason(StrEnum):
    """Why a row is not a sample."""

    FIELDS = "fields"
    """Not five fields."""
    TS = "ts"
    """The time is not ISO 8601, or not in the years 1970 to 9999."""
    NAIVE = "naive"
    """The time has no offset."""
    NUMBER = "number"
    """A signal is not a number."""
    NAN = "nan"
    """A signal is NaN."""
    RANGE = "range"
    """A signal is outside [0, 1]."""
    DUPLICATE = "duplicate"
    """The same time as the row before it."""
    OUT_OF_ORDER = "out_of_order"
    """An earlier time than the row before it."""
    FUTURE = "future"
    """A later time than the reader allows."""
    PARTIAL = "partial"
    """The file ended or was cut off inside the row."""
    LENGTH = "length"
    """Longer than any row can be."""


class BadRow(ValueError):
    """A row that is not a sample; ``reason`` says why and is what readers count by."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check_header(line: str, name: str) -> None:
    """Accept the header (a byte order mark and spaces around names are let pass); UsageError naming the file else."""
    if tuple(part.strip() for part in line.removeprefix("\ufeff").split(",")) != COLUMNS:
        found = line.strip()[:80]
        raise UsageError(f"{name}: the first line must be {HEADER}; it is {found!r}")


def parse_line(line: str) -> tuple[int, Reading]:
    """``(ts_us, reading)`` of one data row, with or without its newline. Raises BadRow.

    The time needs an offset and keeps microseconds (further digits are cut off); each signal is in [0, 1].
    """
    parts = line.split(",")
    if len(parts) != len(COLUMNS):
        raise BadRow(Reason.FIELDS)
    ts_us = read_ts(parts[0].strip())
    # float() also takes digit separators and the digits of other scripts; neither is in the form.
    if "_" in line or not line.isascii():
        raise BadRow(Reason.NUMBER)
    try:
        # Adding 0.0 makes -0.0 the zero that every store and every export agrees on.
        a, b, c, d = float(parts[1]) + 0.0, float(parts[2]) + 0.0, float(parts[3]) + 0.0, float(parts[4]) + 0.0
    except ValueError:
        raise BadRow(Reason.NUMBER) from None
    return ts_us, check_reading(Reading(a, b, c, d))


def read_ts(text: str) -> int:
    """Microseconds since the epoch of an ISO 8601 time with an offset. Raises BadRow."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(Reason.TS) from None
    if instant.tzinfo is None:
        raise BadRow(Reason.NAIVE)
    since = instant - _EPOCH
    return check_ts(since.days * _DAY_US + since.seconds * US + since.microseconds)


def check_ts(ts_us: int) -> int:
    """``ts_us`` if it lies in the years 1970 to 9999. Raises BadRow."""
    if not 0 <= ts_us < _LIMIT_US:
        raise BadRow(Reason.TS)
    return ts_us


def check_reading(reading: Reading) -> Reading:
    """``reading`` if each of its values is in [0, 1]. Raises BadRow."""
    a, b, c, d = reading
    if not (0.0 <= a <= 1.0 and 0.0 <= b <= 1.0 and 0.0 <= c <= 1.0 and 0.0 <= d <= 1.0):
        raise BadRow(Reason.NAN if a != a or b != b or c != c or d != d else Reason.RANGE)
    return reading


class RowFilter:
    """Keeps times rising: remembers the last accepted one, from ``last_us`` on. State of one file or one loop."""

    def __init__(self, last_us: int | None = None) -> None:
        self.last_us = last_us

    def check(self, ts_us: int, limit_us: int | None = None) -> None:
        """Accept ``ts_us`` and remember it, or raise BadRow: not after the last one, or after ``limit_us``."""
        if self.last_us is not None and ts_us <= self.last_us:
            raise BadRow(Reason.DUPLICATE if ts_us == self.last_us else Reason.OUT_OF_ORDER)
        if limit_us is not None and ts_us > limit_us:
            raise BadRow(Reason.FUTURE)
        self.last_us = ts_us


def format_block(block: Block) -> str:
    """The block's rows, each ended by ``\\n``, without the header; an empty block gives an empty text.

    Times have microseconds and ``+00:00``; values are the shortest text that reads back as the same float64.
    """
    times = np.datetime_as_string(block.ts.view("datetime64[us]"), unit="us").tolist() if len(block) else []
    rows = (block.values + 0.0).tolist()
    return "".join([f"{ts}+00:00,{a!r},{b!r},{c!r},{d!r}\n" for ts, (a, b, c, d) in zip(times, rows, strict=True)])
