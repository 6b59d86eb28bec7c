"""The spool: bounded, torn ends cut off, left-over files adopted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.signals import Block
from lumen_workers.loop.spool import Spool, decode, encode, ordered


def block(*stamps: int) -> Block:
    ts = np.array(stamps, np.int64)
    return Block(ts, (np.arange(4) + ts[:, None]) / 1e6)


class Sink:
    """What was replayed, by loop; refuses everything behind the first ``room`` calls."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.rows: dict[str, dict[int, list[float]]] = {}

    def __call__(self, loop: str, got: Block) -> None:
        if self.room == 0:
            raise StoreUnavailable("no room")
        self.room -= 1
        self.rows.setdefault(loop, {}).update(zip(got.ts.tolist(), got.values.tolist(), strict=True))


def rows(given_block: Block) -> dict[int, list[float]]:
    return dict(zip(given_block.ts.tolist(), given_block.values.tolist(), strict=True))


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def test_what_is_spooled_comes_back_and_the_file_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool")
    assert spool.append("main", block(1, 2))
    assert spool.append("demo", block(7))
    assert spool.append("main", block(3))
    assert spool.pending
    sink = Sink()
    assert spool.replay(sink, 5) == 4
    assert sink.rows == {"main": rows(block(1, 2, 3)), "demo": rows(block(7))}
    assert files(tmp_path / "deep" / "spool") == []
    assert spool.append("main", block(9))
    assert spool.replay(sink, 5) == 1


def test_a_store_that_goes_away_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for low in range(0, 12_000, 4_000):
        assert spool.append("main", block(*range(low, low + 4_000)))
    sink = Sink(room=1)
    with pytest.raises(StoreUnavailable):
        spool.replay(sink, 5)
    assert len(files(tmp_path)) == 1
    assert spool.append("main", block(12_000))
    sink.room = 100
    spool.replay(sink, 5)
    assert sorted(sink.rows["main"]) == list(range(12_001))
    assert files(tmp_path) == []


def test_a_replay_keeps_to_its_budget_and_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for low in range(0, 18_000, 6_000):
        spool.append("main", block(*range(low, low + 6_000)))
    sink = Sink()
    assert [spool.replay(sink, 0) for _ in range(4)] == [6_000, 6_000, 6_000, 0]
    assert not spool.pending
    assert sorted(sink.rows["main"]) == list(range(18_000))


def test_a_full_spool_loses_the_newest_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path, limit_bytes=3 * len(encode("main", block(1))))
    assert [spool.append("main", block(k)) for k in range(5)] == [True, True, True, False, False]
    assert [record.message for record in caplog.records if "is full" in record.message] != []
    assert len(caplog.records) == 1
    sink = Sink()
    spool.replay(sink, 5)
    assert sorted(sink.rows["main"]) == [0, 1, 2]


def test_a_full_disk_is_counted_and_leaves_whole_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    assert spool.append("main", block(1))
    write = os.pwrite

    def half(fd: int, data: bytes, offset: int) -> int:
        return write(fd, data[: len(data) // 2], offset)

    def refuse(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for fault in (half, refuse):
        monkeypatch.setattr(os, "pwrite", fault)
        assert not spool.append("main", block(2))
    monkeypatch.setattr(os, "pwrite", write)
    assert spool.append("main", block(3))
    sink = Sink()
    spool.replay(sink, 5)
    assert sink.rows == {"main": rows(block(1, 3))}


def test_a_folder_that_cannot_be_made_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not Spool(tmp_path / "file").append("main", block(1))


def test_only_files_of_the_dead_are_adopted(tmp_path: Path) -> None:
    living, dead = Spool(tmp_path), Spool(tmp_path)
    living.append("main", block(1))
    dead.append("main", block(2))
    dead.close()
    heir = Spool(tmp_path)
    assert heir.adopt() == 1
    sink = Sink()
    heir.replay(sink, 5)
    assert sorted(sink.rows["main"]) == [2]
    living.replay(sink, 5)
    assert sorted(sink.rows["main"]) == [1, 2]
    assert files(tmp_path) == []


def test_restarts_while_the_store_is_away_share_one_file(tmp_path: Path) -> None:
    for k in range(5):
        spool = Spool(tmp_path)
        assert spool.append("main", block(k))
        spool.close()
    assert len(files(tmp_path)) == 1
    heir, sink = Spool(tmp_path), Sink()
    heir.adopt()
    heir.replay(sink, 5)
    assert sorted(sink.rows["main"]) == [0, 1, 2, 3, 4]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["main", "demo", "a-loop"]), st.integers(1, 4)), min_size=1, max_size=6),
    st.data(),
)
def test_a_torn_or_damaged_end_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, shape: list[tuple[str, int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    records, at = [], 0
    for loop, count in shape:
        record = block(*range(at, at + count))
        at += count
        records.append((loop, record))
        spool.append(loop, record)
    spool.close()
    (path,) = files(folder)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1), label="cut or flip at")
    torn = data.draw(st.booleans(), label="torn")
    path.write_bytes(whole[:cut] if torn else whole[:cut] + bytes([whole[cut] ^ 0x41]) + whole[cut + 1 :])
    intact, end = [], 0
    for loop, record in records:
        end += len(encode(loop, record))
        if end > cut:
            break
        intact.append((loop, record))
    heir, sink = Spool(folder), Sink()
    assert heir.append("late", block(99))
    heir.replay(sink, 5)
    wanted: dict[str, dict[int, list[float]]] = {"late": rows(block(99))}
    for loop, record in intact:
        wanted.setdefault(loop, {}).update(rows(record))
    assert sink.rows == wanted


@given(st.binary(max_size=200))
def test_garbage_is_never_a_record(data: bytes) -> None:
    # A CRC-32 of random bytes fits once in four thousand million; an all-zero head would, so lengths are checked too.
    assert decode(data, 0) is None


def test_a_record_round_trips_exactly() -> None:
    given_block = Block(np.array([-5, 2**62], np.int64), np.array([[0.1, 1 / 3, 0.0, 1.0], [1e-300, 0.5, 0.25, 0.125]]))
    data = b"xx" + encode("lüft", given_block)
    found = decode(data, 2)
    assert found is not None
    loop, got, end = found
    assert (loop, end) == ("lüft", len(data))
    assert got.ts.tolist() == given_block.ts.tolist()
    assert got.values.tolist() == given_block.values.tolist()


def test_ordered_keeps_the_first_of_equal_times() -> None:
    got = ordered(Block(np.array([3, 1, 3], np.int64), np.array([[0.1] * 4, [0.2] * 4, [0.3] * 4])))
    assert got.ts.tolist() == [1, 3]
    assert got.values[:, 0].tolist() == [0.2, 0.1]


def test_it_holds_ten_minutes_of_ten_loops_at_50_hz(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    half_second = [n * 20_000 for n in range(25)]
    for second in range(600):
        for start in (second * 1_000_000, second * 1_000_000 + 500_000):
            for loop in range(10):
                assert spool.append(f"a-loop-with-a-longer-name-{loop}", block(*(start + ts for ts in half_second)))
    sink = Sink()
    assert spool.replay(sink, 60) == 10 * 50 * 600
    assert {len(got) for got in sink.rows.values()} == {50 * 600}
