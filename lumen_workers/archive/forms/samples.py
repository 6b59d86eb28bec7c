"""Reads ``metrics.csv``: well-formed pieces as arrays, a piece with anything odd in it line by line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lumen_workers.archive.forms.lines import pieces
from lumen_workers.archive.forms.names import METRICS
from lumen_workers.archive.forms.quarantine import Quarantine
from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import RATES_HZ, SIGNALS, Block, Reading
from lumen_workers.loop.metrics_csv import HEADER, BadRow, Reason, RowFilter, check_header, parse_line

_PLAIN: Final = b"0123456789+-.:,TZeE \n"
_FIELDS: Final = 1 + len(SIGNALS)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_US: Final = 86_400 * US
_LIMIT_US: Final = (date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_US
_HEADER_BYTES: Final = 4096

DEFAULT_HZ: Final = 5
"""The rate of a new loop that nothing else tells (S02)."""


def check_file(path: Path) -> None:
    """Raises UsageError, naming file and expected header, for an empty file or another header; reads the start only."""
    first = next(pieces(path), None)
    if first is None or not first[1].strip():
        raise UsageError(f"{path}: the file is empty; the first line must be {HEADER}")
    check_header(first[1].split(b"\n", 1)[0][:_HEADER_BYTES].decode("utf-8", errors="replace"), str(path))


def read_blocks(path: Path, quarantine: Quarantine, limit_us: int) -> Iterator[tuple[int, Block]]:
    """``(data rows read, the good ones)`` for each piece of a checked file.

    Times rise strictly over the whole file, up to ``limit_us``: a sample from the future would hold up every live one.
    A row that is bad, not later than the one before it or not a sample goes to the quarantine, the rest is kept. Blank
    lines are nothing.
    """
    order = RowFilter()
    for number, data in pieces(path):
        if number == 1:
            _, _, data = data.partition(b"\n")
            number = 2
        block = parse_plain(data, order.last_us)
        if block is not None and not (len(block) and block.ts[-1] > limit_us):
            rows = len(block)
            if rows:
                order.last_us = int(block.ts[-1])
        else:
            rows, block = _line_by_line(data, number, order, quarantine, limit_us)
        if rows:
            yield rows, block


def parse_plain(data: bytes, last_us: int | None) -> Block | None:
    """Whole lines as one block, or None when any of them needs a closer look (bad, blank, unusual, out of order).

    Takes what ``parse_line`` takes and gives the same values; several times as fast. ``last_us`` is the time that
    the first row must be after.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data:
        return Block.empty()
    if not data.endswith(b"\n"):
        data += b"\n"
    if data.translate(None, _PLAIN):
        return None
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == ord("\n"))
    places = np.flatnonzero(raw == ord(","))
    if len(places) != len(ends) * (_FIELDS - 1):
        return None
    commas = places.reshape(len(ends), _FIELDS - 1)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (commas[:, 0] < starts).any() or (commas[:, -1] > ends).any():
        return None
    ts = _times(raw, starts, commas[:, 0] - starts)
    if ts is None or (np.diff(ts, prepend=ts[0] - 1 if last_us is None else last_us) <= 0).any():
        return None
    values = _values(raw, starts, commas[:, 0], len(ends))
    return None if values is None else Block(ts, values)


def estimate_rate(block: Block) -> int:
    """The rate in RATES_HZ nearest (by ratio) to the median distance of the samples; DEFAULT_HZ for fewer than two."""
    if len(block) < 2:
        return DEFAULT_HZ
    seconds = float(np.median(np.diff(block.ts))) / US
    return min(RATES_HZ, key=lambda rate: abs(np.log(rate * seconds)))


def _line_by_line(
    data: bytes, first: int, order: RowFilter, quarantine: Quarantine, limit_us: int
) -> tuple[int, Block]:
    good: list[tuple[int, Reading]] = []
    rows = 0
    for number, raw in enumerate(data.split(b"\n"), first):
        line = raw.rstrip(b"\r")
        if not line.strip():
            continue
        rows += 1
        try:
            ts_us, reading = parse_line(_decoded(line))
            order.check(ts_us, limit_us)
        except BadRow as bad:
            quarantine.put(METRICS, number, line, bad.reason.value)
        else:
            good.append((ts_us, reading))
    return rows, Block.of(good)


def _decoded(line: bytes) -> str:
    try:
        return line.decode("ascii")
    except UnicodeDecodeError:
        raise BadRow(Reason.FIELDS if line.count(b",") != _FIELDS - 1 else Reason.NUMBER) from None


def _times(raw: NDArray[np.uint8], starts: NDArray[np.intp], widths: NDArray[np.intp]) -> NDArray[np.int64] | None:
    """µs of ``YYYY-MM-DDTHH:MM:SS[.mmm[mmm]](Z|±HH:MM)`` texts; None if one is anything else."""
    out = np.empty(len(starts), np.int64)
    for width in np.unique(widths).tolist():
        body = width - 1 if width in (20, 24, 27) else width - 6
        if body not in (19, 23, 26):
            return None
        rows = np.flatnonzero(widths == width)
        text = raw[starts[rows, None] + np.arange(width)]
        part = _times_of_width(text, body)
        if part is None:
            return None
        out[rows] = part
    return out


def _times_of_width(text: NDArray[np.uint8], body: int) -> NDArray[np.int64] | None:
    width = text.shape[1]
    marks = {4: "-", 7: "-", 10: "T ", 13: ":", 16: ":"}
    if body > 19:
        marks[19] = "."
    if width == body + 1:
        marks[body] = "Z"
    else:
        marks |= {body: "+-", body + 3: ":"}
    digits = text.astype(np.int64) - ord("0")
    plain = np.ones(width, np.bool_)
    for place, allowed in marks.items():
        plain[place] = False
        if not np.isin(text[:, place], [ord(char) for char in allowed]).all():
            return None
    if ((digits[:, plain] < 0) | (digits[:, plain] > 9)).any():
        return None

    def read(start: int, end: int) -> NDArray[np.int64]:
        weights = 10 ** np.arange(end - start - 1, -1, -1, dtype=np.int64)
        value: NDArray[np.int64] = digits[:, start:end] @ weights
        return value

    hour, minute, second = read(11, 13), read(14, 16), read(17, 19)
    if (hour > 23).any() or (minute > 59).any() or (second > 59).any():
        return None
    days = _days(read(0, 4), read(5, 7), read(8, 10))
    if days is None:
        return None
    micros = ((hour * 60 + minute) * 60 + second) * US
    if body > 19:
        micros += read(20, body) * 10 ** (26 - body)
    if width == body + 6:
        off_hour, off_minute = read(body + 1, body + 3), read(body + 4, body + 6)
        if (off_hour > 23).any() or (off_minute > 59).any():
            return None
        offset = (off_hour * 60 + off_minute) * 60 * US
        micros -= np.where(text[:, body] == ord("-"), -offset, offset)
    total: NDArray[np.int64] = days * _DAY_US + micros
    return None if (total < 0).any() or (total >= _LIMIT_US).any() else total


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Days since the epoch; None for a date that is not in the calendar."""
    dates, which = np.unique(year * 10_000 + month * 100 + day, return_inverse=True)
    try:
        days = [date(d // 10_000, d // 100 % 100, d % 100).toordinal() - _EPOCH_DAY for d in dates.tolist()]
    except ValueError:
        return None
    found: NDArray[np.int64] = np.array(days, np.int64)[which]
    return found


def _values(
    raw: NDArray[np.uint8], starts: NDArray[np.intp], commas: NDArray[np.intp], rows: int
) -> NDArray[np.float64] | None:
    """float64[rows, 4] of what stands behind each row's first comma; None if one is not a number in [0, 1]."""
    edges = np.zeros(len(raw) + 1, np.int8)
    edges[starts] += 1
    edges[commas + 1] -= 1
    text = raw[np.cumsum(edges[:-1], dtype=np.int8) == 0]
    text[text == ord("\n")] = ord(",")
    try:
        flat = np.fromiter(map(float, text[:-1].tobytes().split(b",")), np.float64, rows * len(SIGNALS))
    except ValueError:
        return None
    if not ((flat >= 0.0) & (flat <= 1.0)).all():
        return None
    values: NDArray[np.float64] = flat.reshape(rows, len(SIGNALS)) + 0.0
    return values
