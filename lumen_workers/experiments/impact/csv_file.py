"""Series from a CSV file: a column of times, and columns of numbers whose missing cells are empty."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.impact.records import Ints, Observations

TIME_NAMES: Final = ("ts", "time", "timestamp", "date", "datetime")
"""Names that a column of times may have, whatever their case."""


class Kind(StrEnum):
    """How a file writes its times."""

    OFFSET = "offset"
    """ISO 8601 with an offset."""
    PLAIN = "plain"
    """Dates, or ISO 8601 without an offset: taken as written, which is enough among themselves."""
    EPOCH = "epoch"
    """Seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's series and how it writes times."""

    path: Path
    kind: Kind
    observations: Observations


def read(path: Path, target: str | None, controls: Sequence[str] | None, time: str | None = None) -> Sheet:
    """The columns ``target`` and ``controls`` (None: every other column of numbers), rows in the order of time.

    ``time`` names the column of times; unless given, it is found by its name. Raises UsageError, which names the file
    and the line, for whatever is not as it must be.
    """
    header, rows, lines = _cells(path)
    place = {name: number for number, name in enumerate(header)}
    ts_name = _time_column(path, header, time)
    if target is None:
        raise UsageError(f"--target: name one of the columns of {path}: {_listed(header, ts_name)}")
    for name in (target, *(controls or ())):
        if name not in place or name == ts_name:
            close = difflib.get_close_matches(name, header, 1)
            hint = f"; did you mean {close[0]}?" if close and close[0] not in (ts_name, name) else ""
            raise UsageError(f"{path}: no column of numbers {name!r}{hint} (columns: {_listed(header, ts_name)})")
    ts, kind = _times(path, [row[place[ts_name]] for row in rows], lines)
    if controls is None:
        others = [name for name in header if name not in (ts_name, target)]
        names = tuple(name for name in others if _is_numeric([row[place[name]] for row in rows]))
    else:
        names = tuple(controls)
    columns = [_numbers(path, name, [row[place[name]] for row in rows], lines) for name in (target, *names)]
    order = np.argsort(ts, kind="stable")
    ordered = ts[order]
    if len(twice := np.flatnonzero(np.diff(ordered) == 0)):
        first, second = lines[int(order[twice[0]])], lines[int(order[twice[0] + 1])]
        raise UsageError(f"{path} line {second}: the same time as in line {first}; leave one of them out")
    table = np.array(columns, np.float64)[:, order]
    observed = Observations(ts=ordered, target=target, y=table[0], controls=names, x=table[1:].T)
    return Sheet(path, kind, observed)


def event_at(sheet: Sheet, text: str) -> int:
    """The instant (µs) of an event, written as the file writes its times. Raises UsageError."""
    try:
        us, kind = _instant(text)
    except ValueError as error:
        raise UsageError(f"--event: {text!r} {error}") from None
    if kind is sheet.kind or (sheet.kind is Kind.EPOCH and kind is Kind.OFFSET):
        return us
    how = {
        Kind.OFFSET: "have an offset; give it one too, such as 2026-01-31T09:05:00+09:00",
        Kind.PLAIN: "have no offset; write it as they are, such as 2026-01-31 or 2026-01-31T09:05:00",
        Kind.EPOCH: "are seconds since the epoch; give such a number, or a time with an offset",
    }
    raise UsageError(f"--event {text}: the times of {sheet.path} {how[sheet.kind]}")


def _cells(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the rows' line numbers."""
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise UsageError(f"{path} line {reader.line_num}: {len(row)} cells, the header has {len(header)}")
                rows.append(row)
                lines.append(reader.line_num)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {getattr(error, 'strerror', None) or error}") from None
    if not rows:
        raise UsageError(f"{path}: no data; a header and rows of numbers are needed")
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise UsageError(f"{path}: two columns are named {twice[0]!r}; rename one")
    return header, rows, lines


def _time_column(path: Path, header: Sequence[str], time: str | None) -> str:
    if time is not None:
        if time not in header:
            raise UsageError(f"{path}: no column {time!r} (columns: {', '.join(header)})")
        return time
    lowered = {name.lower(): name for name in reversed(header)}
    for name in TIME_NAMES:
        if name in lowered:
            return lowered[name]
    raise UsageError(f"{path}: no column of times ({', '.join(TIME_NAMES)}); name it with --time")


def _times(path: Path, cells: Sequence[str], lines: Sequence[int]) -> tuple[Ints, Kind]:
    out = np.empty(len(cells), np.int64)
    usual: Kind | None = None
    for row, (cell, line) in enumerate(zip(cells, lines, strict=True)):
        try:
            out[row], kind = _instant(cell)
        except ValueError as error:
            raise UsageError(f"{path} line {line}: {cell.strip()!r} {error}") from None
        usual = usual or kind
        if kind is not usual:
            raise UsageError(f"{path} line {line}: {cell.strip()!r} is not written as the times before it")
    return out, usual or Kind.PLAIN


def _instant(text: str) -> tuple[int, Kind]:
    """µs and the kind. Raises ValueError, whose text goes on a sentence."""
    text = text.strip()
    number = _float(text)
    # Eight digits are a date (20260131); as seconds they would lie in 1970 to 1973.
    if number is not None and not (len(text) == 8 and text.isdigit()):
        if not abs(number) < 2.5e11:
            raise ValueError("is not a time in seconds since the epoch; divide milliseconds by 1000")
        return round(number * US), Kind.EPOCH
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a time: ISO 8601, a date, or seconds since the epoch") from None
    if value.tzinfo is None:
        return to_us(value.replace(tzinfo=UTC)), Kind.PLAIN
    return to_us(value), Kind.OFFSET


def _numbers(path: Path, name: str, cells: Sequence[str], lines: Sequence[int]) -> list[float]:
    out = []
    for cell, line in zip(cells, lines, strict=True):
        number = _float(cell) if cell.strip() else math.nan
        if number is None:
            raise UsageError(
                f"{path} line {line}: {name} is {cell.strip()!r:.60}, not a number; leave missing cells empty"
            )
        out.append(number)
    return out


def _is_numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(_float(cell) is not None for cell in filled)


def _float(text: str) -> float | None:
    """A finite number, as CSV files write it; None otherwise."""
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _listed(header: Sequence[str], ts_name: str) -> str:
    return ", ".join(name for name in header if name != ts_name) or "none"
