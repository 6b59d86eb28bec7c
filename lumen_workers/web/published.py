"""What a log has promised, as one request sees it, while another process goes on writing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.notes import parse_note
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import HASH, WIDTH, Tile, pack, unpack
from lumen_workers.trust.tlog.tree import LogFault, TileTree

MOST_TILES: Final = 1024
"""So many tiles (8 KiB each, and the nodes over them) are kept for proofs under one checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Proven:
    """An entry, its leaf hash, and its proof under ``root``, the tree of the first ``size`` entries."""

    index: int
    size: int
    entry: bytes
    leaf: bytes
    root: bytes
    hashes: tuple[bytes, ...]


class Promise:
    """The log under one checkpoint, ``data`` as it was published. Threads may share it."""

    def __init__(self, log: LogFolder, data: bytes) -> None:
        """Raises ValueError for what is no checkpoint."""
        self.data = data
        self.checkpoint: Checkpoint = parse_checkpoint(parse_note(data).text)
        self._log = log
        self._tree = TileTree(self._counted, self.size)
        self._tiles = 0
        self._sound = False

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.checkpoint.size

    @property
    def spent(self) -> bool:
        """Whether it has kept as much as it may; then look at the log anew."""
        return self._tiles > MOST_TILES

    def tile(self, tile: Tile) -> bytes | None:
        """A tile's or bundle's bytes; None for one that is beyond the tree. Raises LogFault, OSError.

        They are cut from what the signed tree has in that place: a file of that very name may have been left by a crash
        before other entries came, or have gone since the full one is there.
        """
        if tile.end > self.size:
            return None
        count = self.size >> 8 * (tile.level or 0)
        there = Tile(tile.level, tile.index, min(WIDTH, count - tile.index * WIDTH))
        data = self._log.read(there)
        if tile.level is not None:
            whole, held = data[: HASH * tile.width], len(data) // HASH
        else:
            entries = _unpacked(there, data)
            held = len(entries)
            whole = data if held == tile.width else pack(entries[: tile.width])
        if held < tile.width:
            raise LogFault("log_truncated", f"{there.path} is cut off")
        return whole

    def prove(self, index: int, size: int) -> Proven:
        """An entry and its proof in the tree of the first ``size`` entries, 0 ≤ index < size ≤ the promised size.

        Raises LogFault where the files do not have the tree that was signed, OSError.
        """
        if not self._sound:
            if self._tree.root() != self.checkpoint.root:
                raise LogFault("root_mismatch", f"the tiles have not the tree of {self.size} entries that was signed")
            self._sound = True
        entry = self._log.entry(index, self.size)
        leaf = merkle.leaf_hash(entry)
        root = self._tree.subtree(0, size)
        hashes = tuple(self._tree.subtree(low, high) for low, high in merkle.inclusion_path(index, size))
        # What is told may be kept for a year by whoever asks: it is told only if it holds.
        if not merkle.verify_inclusion(leaf, index, size, hashes, root):
            raise LogFault("entry_mismatch", f"entry {index} is not under the tree of {size} entries")
        return Proven(index=index, size=size, entry=entry, leaf=leaf, root=root, hashes=hashes)

    def _counted(self, tile: Tile) -> bytes:
        self._tiles += 1
        return self._log.read(tile)


def _unpacked(tile: Tile, data: bytes) -> list[bytes]:
    try:
        return unpack(data)
    except ValueError as error:
        raise LogFault("log_truncated", f"{tile.path}: {error}") from None


class Published:
    """The newest promise of the log in a folder."""

    def __init__(self, log: LogFolder) -> None:
        self._log = log
        self._newest: Promise | None = None

    def look(self) -> Promise | None:
        """Read the checkpoint; None where there is none yet. Raises ValueError for what is none, OSError."""
        data = self._log.checkpoint()
        if data is None:
            return None
        newest = self._newest
        if newest is None or newest.data != data or newest.spent:
            newest = self._newest = Promise(self._log, data)
        return newest
