"""Where hashes and entries lie: paths, which tiles a tree has, and their bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.trust.tlog.tiles import (
    HASH,
    WIDTH,
    Tile,
    bundles_of,
    hashes_in,
    join,
    pack,
    parse_path,
    tiles_of,
    unpack,
)

tiles = st.builds(Tile, st.none() | st.integers(0, 63), st.integers(0, 10**15), st.integers(1, WIDTH) | st.just(WIDTH))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000, 1), "tile/1/x001/000.p/1"),
        (Tile(None, 1234067, 17), "tile/entries/x001/x234/067.p/17"),
        (Tile(None, 5), "tile/entries/005"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@given(tiles)
def test_a_path_leads_back(tile: Tile) -> None:
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entry/000",
        "tile/0/x000/000",
        "tile/0/x001/x000",
        "tile/0/001/000",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/0/000.p/1000",
        "tile/0/000.p/1/2",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/" + "x001/" * 7 + "000",
    ],
)
def test_what_is_no_path(path: str) -> None:
    assert parse_path(path) is None


def test_the_tiles_of_the_published_example() -> None:
    """C2SP tlog-tiles: a tree of 70,000, and one of 256."""
    found = list(tiles_of(70_000))
    assert [tile for tile in found if tile.level == 0] == [
        *(Tile(0, number) for number in range(273)),
        Tile(0, 273, 112),
    ]
    assert [tile for tile in found if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [tile for tile in found if tile.level == 2] == [Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(bundles_of(70_000)) == [*(Tile(None, number) for number in range(273)), Tile(None, 273, 112)]
    assert list(tiles_of(0)) == list(bundles_of(0)) == []


@given(st.integers(0, 10**6))
def test_a_trees_tiles_hold_all_that_is_complete(size: int) -> None:
    counts: dict[int | None, int] = {}
    for tile in [*tiles_of(size), *bundles_of(size)]:
        counts[tile.level] = counts.get(tile.level, 0) + tile.width
        assert tile.end <= size
    levels = [level for level in range(64) if size >> 8 * level]
    assert counts == {level: size >> 8 * level for level in levels} | ({None: size} if size else {})


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert unpack(pack(entries)) == entries


def test_the_form_of_a_bundle() -> None:
    assert pack([b"", b"ab", b"c" * 65_535]) == b"\0\0\0\2ab\xff\xff" + b"c" * 65_535
    with pytest.raises(OverflowError):
        pack([b"c" * 65_536])


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), st.data())
def test_a_bundle_that_is_cut_off_has_fewer_entries_or_none(entries: list[bytes], draw: st.DataObject) -> None:
    data = pack(entries)[: draw.draw(st.integers(0, len(pack(entries)) - 1))]
    ends = [len(pack(entries[:count])) for count in range(len(entries))]
    if len(data) in ends:
        assert unpack(data) == entries[: ends.index(len(data))]
        return
    with pytest.raises(ValueError, match="cut off"):
        unpack(data)


def test_a_tiles_hashes() -> None:
    hashes = [bytes([number]) * HASH for number in range(3)]
    assert hashes_in(join(hashes)) == hashes
    for data in (join(hashes)[:-1], join(hashes) + b"x"):
        with pytest.raises(ValueError, match="cut off"):
            hashes_in(data)
