"""Where a log's hashes and entries lie (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256 entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 256
HASH: Final = 32
CHECKPOINT: Final = "checkpoint"

_PATH_RE: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_MOST_PARTS: Final = 7


@dataclass(frozen=True)
class Tile:
    """A tile of hashes (``level`` from 0) or a bundle of entries (``level`` None), with ``width`` of them in it."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Relative POSIX path."""
        index, parts = self.index, []
        while True:
            index, rest = divmod(index, 1000)
            parts.append(f"{rest:03d}")
            if not index:
                break
        name = "/".join([*(f"x{part}" for part in reversed(parts[1:])), parts[0]])
        level = "entries" if self.level is None else str(self.level)
        return f"tile/{level}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def end(self) -> int:
        """How many entries a log must have for this tile to be there."""
        unit = 1 if self.level is None else WIDTH**self.level
        return (self.index * WIDTH + self.width) * unit


def parse_path(path: str) -> Tile | None:
    """The tile at a path; None for any other path, or another spelling of one."""
    match = _PATH_RE.fullmatch(path)
    if match is None or match["index"].count("/") >= _MOST_PARTS:
        return None
    level = None if match["level"] == "entries" else int(match["level"])
    tile = Tile(level, int(match["index"].replace("x", "").replace("/", "")), int(match["width"] or WIDTH))
    return tile if tile.path == path and tile.width <= WIDTH and (level is None or level < 64) else None


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes of a tree, the full ones before the partial one, level by level."""
    level, count = 0, size
    while count:
        yield from (Tile(level, index) for index in range(count // WIDTH))
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)
        level, count = level + 1, count // WIDTH


def bundles_of(size: int) -> Iterator[Tile]:
    """Every bundle of entries."""
    yield from (Tile(None, index) for index in range(size // WIDTH))
    if size % WIDTH:
        yield Tile(None, size // WIDTH, size % WIDTH)


def pack(entries: Iterable[bytes]) -> bytes:
    """A bundle: each entry behind its length, 2 bytes, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack(data: bytes) -> list[bytes]:
    """A bundle's entries. Raises ValueError for one that is cut off."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise ValueError("the bundle is cut off")
        entries.append(data[at + 2 : end])
        at = end
    return entries


def hashes_in(data: bytes) -> list[bytes]:
    """A tile's hashes. Raises ValueError for a length that is no multiple of a hash's."""
    if len(data) % HASH:
        raise ValueError("the tile is cut off")
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def join(hashes: Sequence[bytes]) -> bytes:
    """A tile's bytes."""
    return b"".join(hashes)
