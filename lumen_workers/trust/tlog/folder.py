"""A log in a folder: static files that anybody may serve. It reads; the sequencer alone writes."""

from __future__ import annotations

from pathlib import Path

from lumen_workers.trust.files import replace_file, sync_folder
from lumen_workers.trust.notes import MAX_BYTES
from lumen_workers.trust.tlog.tiles import CHECKPOINT, WIDTH, Tile, unpack
from lumen_workers.trust.tlog.tree import LogFault, TileTree


class LogFolder:
    """The log's public files below ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def checkpoint(self) -> bytes | None:
        """The published checkpoint with its signatures; None before the first. Raises OSError."""
        try:
            with (self.path / CHECKPOINT).open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None

    def read(self, tile: Tile) -> bytes:
        """A tile's bytes; of a partial one that has gone, the full one's. Raises LogFault, OSError."""
        for found in dict.fromkeys((tile, Tile(tile.level, tile.index))):
            try:
                return (self.path / found.path).read_bytes()
            except FileNotFoundError:
                continue
        raise LogFault("log_truncated", f"{tile.path} is not there")

    def tree(self, size: int) -> TileTree:
        """The tree of the first ``size`` entries, of a log that has had a checkpoint of that size or more.

        A size between two checkpoints has no partial tiles of its own: then the newest ones serve. Raises LogFault.
        """
        return TileTree(lambda tile: self._any(tile), size)

    def entries(self, index: int, size: int) -> list[bytes]:
        """The entries of bundle ``index`` in a log of ``size``. Raises LogFault, OSError."""
        width = min(WIDTH, size - index * WIDTH)
        tile = Tile(None, index, width)
        try:
            entries = unpack(self._any(tile))
        except ValueError as error:
            raise LogFault("log_truncated", f"{tile.path}: {error}") from None
        if len(entries) < width:
            raise LogFault("log_truncated", f"{tile.path} has {len(entries)} entries")
        return entries[:width]

    def entry(self, index: int, size: int) -> bytes:
        """One entry. Raises LogFault, OSError."""
        return self.entries(index // WIDTH, size)[index % WIDTH]

    def make(self) -> None:
        """Make the folder if it is not there, durable. Raises OSError."""
        _make_folders(self.path)

    def write(self, tile: Tile, data: bytes) -> None:
        """Write a tile, whole and durable. Raises OSError."""
        self._replace(tile.path, data)

    def publish(self, note: bytes) -> None:
        """Replace the checkpoint in one step. Raises OSError."""
        self._replace(CHECKPOINT, note)

    def _any(self, tile: Tile) -> bytes:
        try:
            return self.read(tile)
        except LogFault:
            for width in self.widths(tile):
                if width > tile.width:
                    return (self.path / Tile(tile.level, tile.index, width).path).read_bytes()
            raise

    def widths(self, tile: Tile) -> list[int]:
        """The widths of the partial tiles that lie in this one's place, in order. Raises OSError."""
        folder = (self.path / Tile(tile.level, tile.index, 1).path).parent
        try:
            return sorted(int(item.name) for item in folder.iterdir() if item.name.isdecimal())
        except FileNotFoundError:
            return []

    def _replace(self, relative: str, data: bytes) -> None:
        place = self.path / relative
        _make_folders(place.parent)
        replace_file(place, data)


def _make_folders(folder: Path) -> None:
    """Make a folder and what is above it, each durable in its parent."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
