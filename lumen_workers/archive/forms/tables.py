"""Reads a CSV file with quoting, row by row, with the row's own text beside it."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lumen_workers.archive.forms.lines import lines, raw_lines

_LONGEST: Final = 16_384
"""Bytes of a row over several lines; no cell of ours comes near."""


def table_columns(path: Path) -> list[str]:
    """The names in the first line; none for an empty file. Raises EnvironmentFault when it cannot be read."""
    first = next(lines(path), None)
    return [] if first is None else _columns(first[1])


def table_rows(path: Path) -> Iterator[tuple[int, bytes, Mapping[str, str] | None]]:
    """``(line number, text, column → cell)`` of each data row; None instead of cells for a row of another length.

    A quoted cell may hold newlines: the number is that of the row's first line. Bytes that are not UTF-8 come as
    surrogates, which no field reader takes. Raises EnvironmentFault when the file cannot be read.
    """
    columns: list[str] | None = None
    source = raw_lines(path)
    waiting: deque[tuple[int, bytes]] = deque()

    def following() -> tuple[int, bytes] | None:
        return waiting.popleft() if waiting else next(source, None)

    while (item := following()) is not None:
        number, line = item
        if not line.strip():
            continue
        if columns is None:
            columns = _columns(line)
            continue
        text, more = line, list[tuple[int, bytes]]()
        # An odd number of quotes: a quoted cell goes on in the next line.
        while text.count(b'"') % 2 and len(text) < _LONGEST and (item := following()) is not None:
            more.append(item)
            text += b"\n" + item[1]
        cells = _row(columns, text.removesuffix(b"\r"))
        if cells is None and more:
            # A stray quote spoils its own line only.
            waiting.extendleft(reversed(more))
            text = line
        yield number, text, cells


def _columns(line: bytes) -> list[str]:
    cells = next(csv.reader([line.decode("utf-8-sig", errors="replace")]), [])
    return [cell.strip() for cell in cells]


def _row(columns: list[str], text: bytes) -> Mapping[str, str] | None:
    try:
        rows = list(csv.reader(io.StringIO(text.decode("utf-8", errors="surrogateescape"), newline=""), strict=True))
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) != len(columns):
        return None
    return dict(zip(columns, rows[0], strict=True))
