"""Roots and proofs from tiles: what the definition says, in a few reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_workers.trust import merkle
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import HASH, WIDTH, Tile, join, pack
from lumen_workers.trust.tlog.tree import LogFault, TileTree

MOST = 70_000
LEAVES = [merkle.leaf_hash(b"%d" % number) for number in range(MOST)]

sizes = st.integers(0, MOST) | st.sampled_from([1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, MOST])


@cache
def level(number: int) -> list[bytes]:
    """The roots of all full subtrees of 256^number leaves."""
    if number == 0:
        return LEAVES
    below = level(number - 1)
    return [merkle.root(below[at : at + WIDTH]) for at in range(0, len(below) // WIDTH * WIDTH, WIDTH)]


class Tiles:
    """A log of ``size`` that counts what is read of it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: list[Tile] = []

    def read(self, tile: Tile) -> bytes:
        assert tile.level is not None
        assert tile.end <= self.size, "a tile that the log has not"
        self.seen.append(tile)
        start = tile.index * WIDTH
        return join(level(tile.level)[start : start + tile.width])

    def tree(self, size: int | None = None) -> TileTree:
        return TileTree(self.read, self.size if size is None else size)


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_the_root_is_that_of_the_leaves(size: int) -> None:
    tiles = Tiles(size)
    assert tiles.tree().root() == merkle.root(LEAVES[:size])
    assert len(tiles.seen) <= 3


@settings(max_examples=30, deadline=None)
@given(sizes.filter(bool), st.data())
def test_inclusion_proofs_hold_after_few_reads(size: int, draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, size - 1))
    tiles = Tiles(size)
    tree = tiles.tree()
    proof = tree.inclusion(index)
    assert merkle.verify_inclusion(LEAVES[index], index, size, proof, merkle.root(LEAVES[:size]))
    assert tree.leaf(index) == LEAVES[index]
    assert len(tiles.seen) <= 6  # a tile on the way down and one at the edge, on each of three levels


@settings(max_examples=30, deadline=None)
@given(sizes.filter(bool), st.data())
def test_consistency_proofs_hold_after_few_reads(new: int, draw: st.DataObject) -> None:
    old = draw.draw(st.integers(0, new))
    tiles = Tiles(new)
    proof = tiles.tree().consistency(old)
    roots = (merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new]))
    assert merkle.verify_consistency(old, new, proof, *roots)
    assert len(tiles.seen) <= 6


@given(st.integers(1, 700), st.data())
def test_an_older_size_is_proved_from_the_newest_tiles(size: int, draw: st.DataObject) -> None:
    """What is asked for is a tile of the older size; a wider one begins with the same hashes."""
    newest = Tiles(MOST)

    def wider(tile: Tile) -> bytes:
        return newest.read(Tile(tile.level, tile.index))

    index = draw.draw(st.integers(0, size - 1))
    proof = TileTree(wider, size).inclusion(index)
    assert merkle.verify_inclusion(LEAVES[index], index, size, proof, merkle.root(LEAVES[:size]))


def test_outside_the_tree() -> None:
    tree = Tiles(300).tree()
    for index in (-1, 300):
        with pytest.raises(IndexError):
            tree.inclusion(index)
    for old in (-1, 301):
        with pytest.raises(IndexError):
            tree.consistency(old)


@pytest.mark.parametrize("data", [b"", bytes(HASH * 9), bytes(HASH * 10 + 1)])
def test_a_tile_that_is_cut_off_is_named(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        TileTree(lambda _: data, 10).root()


# A folder of tiles.


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    """300 entries: one full tile, one partial one of 44, and the bundles."""
    made = LogFolder(tmp_path / "log")
    entries = [b"%d" % number for number in range(300)]
    for tile, data in (
        (Tile(0, 0), join(LEAVES[:256])),
        (Tile(0, 1, 44), join(LEAVES[256:300])),
        (Tile(1, 0, 1), join(level(1)[:1])),
        (Tile(None, 0), pack(entries[:256])),
        (Tile(None, 1, 44), pack(entries[256:])),
    ):
        made.write(tile, data)
    return made


@pytest.mark.parametrize("size", [1, 100, 255, 256, 257, 299, 300])
def test_a_folder_proves_every_size_up_to_its_own(folder: LogFolder, size: int) -> None:
    """Sizes between the checkpoints, whose partial tiles never were or have gone."""
    tree, root = folder.tree(size), merkle.root(LEAVES[:size])
    assert tree.root() == root
    for index in {0, size // 2, size - 1}:
        assert merkle.verify_inclusion(LEAVES[index], index, size, folder.tree(size).inclusion(index), root)
        assert folder.entry(index, size) == b"%d" % index
    for old in range(0, size, 37):
        proof = folder.tree(size).consistency(old)
        assert merkle.verify_consistency(old, size, proof, merkle.root(LEAVES[:old]), root)


def test_more_than_the_folder_has(folder: LogFolder) -> None:
    for work in (
        lambda: folder.tree(301).root(),
        lambda: folder.entries(1, 301),
        lambda: folder.entry(600, 700),
        lambda: folder.read(Tile(0, 2)),
    ):
        with pytest.raises(LogFault) as caught:
            work()
        assert caught.value.reason == "log_truncated"


def test_a_bundle_that_is_cut_off(folder: LogFolder) -> None:
    path = folder.path / Tile(None, 1, 44).path
    whole = path.read_bytes()
    for data in (whole[:-1], whole[: -len(b"299") - 2]):
        path.write_bytes(data)
        with pytest.raises(LogFault, match=r"cut off|43 entries"):
            folder.entry(256, 300)


def test_no_checkpoint_yet(folder: LogFolder) -> None:
    assert folder.checkpoint() is None
    folder.publish(b"one")
    folder.publish(b"two")
    assert folder.checkpoint() == b"two"
    assert sorted(item.name for item in folder.path.iterdir()) == ["checkpoint", "tile"]
