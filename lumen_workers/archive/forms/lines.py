"""Reads a file of any size in pieces of whole lines; bounded memory, whatever the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lumen_workers.domain.errors import EnvironmentFault

PIECE: Final = 1 << 20
"""Bytes read at a time; also the longest line: what is beyond is cut off, so such a line fails its parser."""


def pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """``(number of the first line, whole lines)``; numbers count from 1, the last line may lack its newline.

    Raises EnvironmentFault when the file cannot be read.
    """
    number, rest, skipping = 1, b"", False
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                if skipping:
                    _, newline, data = data.partition(b"\n")
                    if not newline:
                        continue
                    skipping = False
                data = rest + data
                end = data.rfind(b"\n") + 1
                whole, rest = data[:end], data[end:]
                if whole:
                    yield number, whole
                    number += whole.count(b"\n")
                if len(rest) > PIECE:
                    yield number, rest[:PIECE]
                    number, rest, skipping = number + 1, b"", True
    except OSError as error:
        raise EnvironmentFault(f"{path}: cannot be read: {error.strerror}") from error
    if rest:
        yield number, rest


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """``(number, line)`` without its ``\n``. Raises EnvironmentFault."""
    for first, data in pieces(path):
        yield from enumerate(data.removesuffix(b"\n").split(b"\n"), first)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The same without blank lines and without a ``\r`` at the end. Raises EnvironmentFault."""
    for number, line in raw_lines(path):
        if line.strip():
            yield number, line.removesuffix(b"\r")
