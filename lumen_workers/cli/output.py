"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Loop = Annotated[str | None, typer.Option("--loop", "-l", help="Only this loop.")]
Region = Annotated[
    str | None, typer.Option("--region", "-r", help="The region; LUMEN_REGION or the first one, unless given.")
]

_PIPE_WIDTH = 200
"""Columns where no terminal says how many it has."""

_NARROW = 110
"""Columns below which nothing but what people copy stays in one piece."""


class Styled(NamedTuple):
    """A cell in a colour of rich's, shown where the output is a terminal."""

    text: str
    style: str


def echo_json(value: Any) -> None:
    """One JSON document, UTF-8 as it is."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str, *, whole: Collection[int] = ()) -> None:
    """A table that fits the terminal; ``empty`` (nothing, where it is "") when there are no rows.

    Cells are broken where the terminal is narrow, never those of the first column; those of the columns in ``whole``
    only below _NARROW.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = Table(box=None, pad_edge=False, header_style="bold")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    unbroken = {0, *whole} if console.width >= _NARROW else {0}  # the first one is what people copy
    for number, column in enumerate(columns):
        out.add_column(column, overflow="fold", no_wrap=number in unbroken)
    count = 0
    for row in rows:
        out.add_row(*(Text(cell.text, cell.style) if isinstance(cell, Styled) else Text(text(cell)) for cell in row))
        count += 1
    if not count:
        sys.stdout.write(f"{empty}\n" if empty else "")
        return
    # Captured: rich would end the process by itself when a pipe's reader has gone.
    with console.capture() as shown:
        console.print(out)
    lines = (line.rstrip() if not console.is_terminal else line for line in shown.get().splitlines())
    sys.stdout.write("\n".join(lines) + "\n")


def text(value: object) -> str:
    """A cell: a dash for what is missing, local time for instants, 3 decimals for numbers."""
    if value is None or value == "":
        return "–"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def signed(value: float | None) -> str:
    """A change with its sign, 3 decimals."""
    return "–" if value is None else f"{value:+.3f}"


def progress(line: str) -> None:
    """A line about work under way, on standard error so that pipes stay clean."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
