"""Checkpoints (C2SP tlog-checkpoint): what a log promises, as the text of a signed note."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from lumen_workers.trust.notes import b64

_SIZE_RE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """A tree: the log's origin, how many entries, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text: three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text; further lines are extensions that nobody here reads. Raises ValueError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or "" in lines[:-1]:
        raise ValueError("a checkpoint has three lines: origin, size, root")
    origin, size, root = lines[:3]
    return Checkpoint(origin, parse_size(size), parse_hash(root))


def parse_size(text: str) -> int:
    """A decimal number below 2⁶³ in its one form. Raises ValueError."""
    if not _SIZE_RE.fullmatch(text) or int(text) >= 2**63:
        raise ValueError("a size is a decimal number without leading zeros")
    return int(text)


def parse_hash(text: str) -> bytes:
    """32 bytes in base64. Raises ValueError."""
    data = b64(text)
    if len(data) != 32:
        raise ValueError("a hash has 32 bytes")
    return data
