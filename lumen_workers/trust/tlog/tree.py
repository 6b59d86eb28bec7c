"""Roots and proofs from tiles: a few reads each, however large the log is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lumen_workers.trust import merkle
from lumen_workers.trust.tlog.tiles import HASH, WIDTH, Tile

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
    """The tree of ``size`` leaves over tiles. What it reads and hashes it keeps: make one for each piece of work."""

    def __init__(self, read: ReadTile, size: int) -> None:
        self._read = read
        self._known: dict[tuple[int, int], bytes] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}
        self.size = size

    def root(self) -> bytes:
        """The root over all leaves."""
        return self.subtree(0, self.size) if self.size else merkle.EMPTY

    def leaf(self, index: int) -> bytes:
        """The leaf hash at ``index``."""
        return self._full(0, index)

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
        node = self._nodes.get((height, position))
        if node is None:
            level, above = divmod(height, _LEVELS)
            index, within = divmod(position << above, WIDTH)
            hashes = self._tile(level, index)[HASH * within : HASH * (within + (1 << above))]
            node = self._nodes[height, position] = merkle.full_root(hashes)
        return node

    def _tile(self, level: int, index: int) -> bytes:
        data = self._known.get((level, index))
        if data is None:
            width = min(WIDTH, (self.size >> _LEVELS * level) - index * WIDTH)
            tile = Tile(level, index, width)
            data = self._read(tile)
            if len(data) < HASH * width or len(data) % HASH:
                raise LogFault("log_truncated", f"{tile.path} is cut off")
            self._known[level, index] = data
        return data
