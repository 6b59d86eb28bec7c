"""Reads a CSV file with quoting, row by row, with the row's own text beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from lumen_workers.archive.forms.lines import lines, raw_lines


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
    first, held = 0, b""
    for number, line in raw_lines(path):
        if not held and not line.strip():
            continue
        if columns is None:
            columns = _columns(line)
            continue
        first, held = (first, held + b"\n" + line) if held else (number, line)
        # An odd number of quotes: a quoted cell goes on in the next line. What never ends is one bad row.
        if held.count(b'"') % 2 and len(held) < csv.field_size_limit():
            continue
        yield first, held, _row(columns, held.removesuffix(b"\r"))
        held = b""
    if columns is not None and held:
        yield first, held, _row(columns, held)


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
