"""``environment.csv``, which another process appends to once a second: the newest rows of it (S14)."""

from __future__ import annotations

import math
import os
from datetime import datetime
from pathlib import Path

from lumen_workers.domain.clock import parse_ts
from lumen_workers.domain.environment import INPUTS, Observed, Surrounding
from lumen_workers.domain.errors import UsageError

COLUMNS = ("ts", *INPUTS)
_TAIL = 256 * 1024
"""Bytes read from the end: more than an hour at 1 Hz."""
_HEAD = 4096


class CsvEnvironment:
    """``csv:PATH``. The first line names the columns, in any order; others than ours are passed over.

    An empty field is not measured. A row that is none is left out, and told.
    """

    name = "csv"

    def __init__(self, path: Path) -> None:
        self._path = path

    def observe(self, since: datetime, now: datetime) -> Observed:
        """The rows of the last stretch of the file with ``since < ts <= now``, ascending."""
        try:
            head, tail = self._read()
        except OSError as error:
            return Observed(problem=f"{self._path}: {error.strerror or error}")
        places = _places(head)
        if places is None:
            return Observed(problem=f"{self._path}: the first line must name the columns {', '.join(COLUMNS)}")
        rows: list[Surrounding] = []
        refused: list[str] = []
        for line in tail:
            try:
                row = _row(line, places)
            except (ValueError, UsageError) as error:
                refused.append(str(error))
                continue
            if since < row.ts <= now:
                rows.append(row)
        rows.sort(key=lambda one: one.ts)
        problem = None
        if refused:
            problem = f"{self._path}: {len(refused)} of {len(tail)} rows left out, the last one: {refused[-1]}"
        return Observed(readings=tuple(rows), problem=problem)

    def _read(self) -> tuple[str, list[str]]:
        """The first line, and the whole lines of the file's last stretch."""
        with self._path.open("rb") as file:
            head, newline, _ = file.read(_HEAD).partition(b"\n")
            size = os.fstat(file.fileno()).st_size
            start = max(len(head) + 1, size - _TAIL)
            file.seek(start)
            tail = file.read(_TAIL)
        lines = tail[: tail.rfind(b"\n") + 1].split(b"\n")
        if start > len(head) + 1:
            lines = lines[1:]  # it may begin in the middle
        texts = [line.decode("utf-8", "backslashreplace") for line in lines if line.strip()]
        return (head.decode("utf-8", "backslashreplace") if newline else ""), texts


def _places(head: str) -> dict[str, int] | None:
    names = [name.strip() for name in head.removeprefix("\ufeff").split(",")]
    if any(names.count(name) != 1 for name in COLUMNS):
        return None
    return {name: names.index(name) for name in COLUMNS}


def _row(line: str, places: dict[str, int]) -> Surrounding:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) <= max(places.values()):
        raise ValueError(f"{line.strip()[:80]!r} has too few fields")
    values = {name: _number(name, fields[places[name]]) for name in INPUTS}
    return Surrounding(ts=parse_ts(fields[places["ts"]]), **values)


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name}: {text[:40]!r} is no number")
    return value
