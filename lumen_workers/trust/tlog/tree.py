"""Roots and proofs from tiles: a few reads each, however large the log is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lumen_workers.trust import merkle
from lumen_workers.trust.tlog.tiles import WIDTH, Tile, hashes_in

ReadTile = Callable[[Tile], bytes]
"""The bytes of a tile. A reader may answer with a wider one: its first hashes are the same. Raises LogFault."""

_LEVELS: Final = 8
"""Levels of the tree in a tile: 256 hashes."""


class LogFault(ValueError):
    """The log does not have what it promised. ``reason`` is a stable word."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class TileTree:
    """The tree of ``size`` leaves over tiles. What it reads it keeps: make one for each piece of work."""

    def __init__(self, read: ReadTile, size: int) -> None:
        self._read = read
        self._known: dict[tuple[int, int], list[bytes]] = {}
        self.size = size

    def root(self) -> bytes:
        """The root over all leaves."""
        return self.subtree(0, self.size) if self.size else merkle.EMPTY

    def leaf(self, index: int) -> bytes:
        """The leaf hash at ``index``."""
        return self._tile(0, index // WIDTH)[index % WIDTH]

    def inclusion(self, index: int) -> list[bytes]:
        """Audit path of a leaf, from its sibling up. Raises IndexError outside the tree."""
        return [self.subtree(low, high) for low, high in merkle.inclusion_path(index, self.size)]

    def consistency(self, old: int) -> list[bytes]:
        """Proof that the first ``old`` leaves are a tree that this one goes on from. Raises IndexError."""
        return [self.subtree(low, high) for low, high in merkle.consistency_path(old, self.size)]

    def subtree(self, low: int, high: int) -> bytes:
        """Root over leaves [low, high): a range that the tree's own splits make."""
        count = high - low
        if count & (count - 1):
            split = low + merkle.split_of(count)
            return merkle.node_hash(self.subtree(low, split), self.subtree(split, high))
        return self._full(count.bit_length() - 1, low >> count.bit_length() - 1)

    def _full(self, height: int, position: int) -> bytes:
        """Root of the full subtree number ``position`` of 2^height leaves."""
        level, above = divmod(height, _LEVELS)
        index, within = divmod(position << above, WIDTH)
        nodes = self._tile(level, index)[within : within + (1 << above)]
        while len(nodes) > 1:
            nodes = [merkle.node_hash(nodes[at], nodes[at + 1]) for at in range(0, len(nodes), 2)]
        return nodes[0]

    def _tile(self, level: int, index: int) -> list[bytes]:
        hashes = self._known.get((level, index))
        if hashes is None:
            width = min(WIDTH, (self.size >> _LEVELS * level) - index * WIDTH)
            tile = Tile(level, index, width)
            hashes = hashes_in(self._read(tile))
            if len(hashes) < width:
                raise LogFault("log_truncated", f"{tile.path} is cut off")
            self._known[level, index] = hashes
        return hashes
