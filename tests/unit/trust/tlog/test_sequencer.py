"""Appending: what is on disk afterwards, and what a log that is not what was signed is told."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from support.logs import ORIGIN, SIGNER, TestLog, entry_of

from lumen_workers.domain.errors import CheckFailed, EnvironmentFault, LeaseLost
from lumen_workers.domain.runs import Lease
from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.notes import is_signed, parse_note, write_note
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import Tile, bundles_of, tiles_of


@pytest.fixture
def log(tmp_path: Path) -> TestLog:
    return TestLog(tmp_path / "log")


def published(log: TestLog) -> Checkpoint:
    data = log.folder.checkpoint()
    assert data is not None
    note = parse_note(data)
    assert is_signed(note, SIGNER.key)
    return parse_checkpoint(note.text)


def expected(count: int) -> Checkpoint:
    return Checkpoint(ORIGIN, count, merkle.root(merkle.leaf_hash(entry_of(number)) for number in range(count)))


def test_an_empty_log_has_a_checkpoint(log: TestLog) -> None:
    assert log.sequencer.append() == 0
    assert published(log) == Checkpoint(ORIGIN, 0, merkle.EMPTY)


@pytest.mark.parametrize(
    "batches", [[1], [1, 1, 1], [255], [256], [257], [3, 253, 1], [200, 200, 200], [700], [1, 600]]
)
def test_what_is_owed_is_in_the_tree(log: TestLog, batches: list[int]) -> None:
    for count in batches:
        log.fill(count)
        assert published(log) == expected(log.count)
    size = log.count
    assert [log.folder.entry(number, size) for number in range(size)] == [entry_of(number) for number in range(size)]
    assert [log.sequencer.place(f"key {number}") for number in range(size)] == list(range(size))
    for tile in [*tiles_of(size), *bundles_of(size)]:
        assert (log.folder.path / tile.path).is_file(), tile.path


def test_proofs_hold_at_every_size_that_was_signed(log: TestLog) -> None:
    sizes = []
    for count in (1, 2, 60, 200, 300, 40):
        log.fill(count)
        sizes.append(log.count)
    for size in sizes:
        tree, root = log.folder.tree(size), expected(size).root
        assert tree.root() == root
        for index in (0, size // 2, size - 1):
            assert merkle.verify_inclusion(tree.leaf(index), index, size, tree.inclusion(index), root)
        for old in [item for item in sizes if item <= size]:
            assert merkle.verify_consistency(old, size, tree.consistency(old), expected(old).root, root)


def test_a_key_that_is_owed_twice_stands_once(log: TestLog) -> None:
    log.fill(3)
    row = log.store.logs.enqueue(ORIGIN, "key 1", b"another", b"another")
    assert (row.entry, row.position) == (entry_of(1), 1)
    assert log.sequencer.append() == 0
    assert published(log).size == 3


def test_nothing_that_is_owed_under_that_name(log: TestLog) -> None:
    with pytest.raises(CheckFailed, match="owes nothing called x"):
        log.sequencer.place("x")


def test_full_tiles_replace_partial_ones(log: TestLog) -> None:
    log.fill(300, batch=50)
    assert not (log.folder.path / "tile/0/000.p").exists()
    assert not (log.folder.path / "tile/entries/000.p").exists()
    assert log.folder.tree(100).root() == expected(100).root


def test_a_crash_before_the_head_costs_nothing(log: TestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.fill(5)
    log.owe(3)
    with monkeypatch.context() as patch:
        patch.setattr(type(log.store.logs), "advance", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            log.sequencer.append()
    assert published(log) == expected(5)
    assert log.sequencer.append() == 3
    assert published(log) == expected(8)


def test_tiles_that_a_crash_left_and_nobody_signed_do_not_stay(log: TestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log grows by other entries than the crashed batch had: what is left of it must prove nothing."""
    log.fill(200)
    other = TestLog(log.folder.path)
    other.count = 1_000
    assert other.sequencer.append() == 0
    for count in (5, 100):
        other.owe(count)
        with monkeypatch.context() as patch:
            patch.setattr(type(other.store.logs), "advance", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
            with pytest.raises(RuntimeError):
                other.sequencer.append()
    assert (log.folder.path / "tile/0/001.p/49").exists()
    log.fill(6)
    found = {str(path.relative_to(log.folder.path)) for path in log.folder.path.rglob("*") if path.name.isdecimal()}
    found -= {"tile/0", "tile/1"}
    assert found == {f"tile/{level}/000.p/{width}" for level in ("0", "entries") for width in (200, 206)}
    assert log.folder.tree(205).root() == expected(205).root


def test_a_crash_behind_the_head_is_made_good(log: TestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.fill(5)
    log.owe(3)
    with monkeypatch.context() as patch:
        patch.setattr(type(log.folder), "publish", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            log.sequencer.append()
    assert published(log) == expected(5)
    head = log.store.logs.head(ORIGIN)
    assert head is not None
    assert log.sequencer.append() == 0
    assert log.folder.checkpoint() == head.note
    assert published(log) == expected(8)


def test_a_store_that_was_put_back_learns_from_the_folder(log: TestLog, tmp_path: Path) -> None:
    log.fill(5)
    other = TestLog(log.folder.path)
    other.owe(7)
    assert other.sequencer.append() == 2
    assert [other.sequencer.place(f"key {number}") for number in range(7)] == list(range(7))
    assert published(log) == expected(7)


def test_another_process_is_waited_for(log: TestLog) -> None:
    log.owe(1)
    lease = log.store.leases.acquire(f"log/{ORIGIN}", "another", log.sequencer.ttl)
    assert lease is not None
    assert log.sequencer.append() is None
    log.store.leases.release(lease)
    assert log.sequencer.append() == 1


@pytest.mark.parametrize("level", [None, 0, 1])
def test_what_did_not_reach_the_disk_as_it_was_is_not_signed(
    log: TestLog, monkeypatch: pytest.MonkeyPatch, level: int | None
) -> None:
    log.fill(100)
    log.owe(200)
    before, write = log.folder.checkpoint(), LogFolder.write

    def lie(self: LogFolder, tile: Tile, data: bytes) -> None:
        write(self, tile, data[:-1] + bytes([data[-1] ^ 1]) if tile.level == level else data)

    with monkeypatch.context() as patch:
        patch.setattr(LogFolder, "write", lie)
        with pytest.raises(CheckFailed, match="takes no entry"):
            log.sequencer.append()
    assert log.folder.checkpoint() == before
    assert audit_log(log.folder, SIGNER.key).ok
    assert log.sequencer.append() == 200
    assert published(log) == expected(300)


def test_all_is_durable_before_it_is_promised(log: TestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles, tiles and their folders before the head, the head before the checkpoint: in the order of the disk."""
    log.fill(254)
    log.owe(5)
    happened: list[str] = []
    sync, advance, rename = os.fsync, type(log.store.logs).advance, Path.replace

    def syncs(descriptor: int) -> None:
        sync(descriptor)
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        happened.append(str(name.relative_to(log.folder.path)))

    def advances(*arguments: Any) -> None:
        happened.append("head")
        advance(*arguments)

    def renames(source: Path, target: Path) -> Path:
        assert str(source.relative_to(log.folder.path)) == happened[-1]
        happened[-1] = str(target.relative_to(log.folder.path))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", syncs)
    monkeypatch.setattr(type(log.store.logs), "advance", advances)
    monkeypatch.setattr(Path, "replace", renames)
    assert log.sequencer.append() == 5
    written = ["tile/entries/000", "tile/entries/001.p/3", "tile/0/000", "tile/0/001.p/3", "tile/1/000.p/1"]
    head = happened.index("head")
    for name in written:
        at = happened.index(name)
        assert happened[at + 1] == str(Path(name).parent)
        assert at + 1 < head
    new = ["tile", "tile/entries", "tile/0", "tile/1"]  # where new folders came, besides what is written there
    assert set(happened[:head]) == {*written, *new, "tile/entries/001.p", "tile/0/001.p", "tile/1/000.p"}
    assert happened[head:] == ["head", "checkpoint", "."]


def test_whoever_has_lost_the_lease_publishes_nothing(log: TestLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood still while it wrote its tiles; another process is the writer now."""
    log.fill(5)
    log.owe(3)
    write = LogFolder.write
    taken: list[Lease] = []

    def stand_still(self: LogFolder, tile: Tile, data: bytes) -> None:
        lease = log.store.leases.acquire(f"log/{ORIGIN}", "another", log.sequencer.ttl, steal=True)
        assert lease is not None
        taken.append(lease)
        write(self, tile, data)

    with monkeypatch.context() as patch:
        patch.setattr(LogFolder, "write", stand_still)
        with pytest.raises(LeaseLost):
            log.sequencer.append()
    assert published(log) == expected(5)
    log.store.leases.release(taken[-1])
    assert log.sequencer.append() == 3
    assert published(log) == expected(8)


def test_a_disk_that_takes_no_more_costs_nothing(log: TestLog, tmp_path: Path) -> None:
    """The kernel refuses the bundle half-way: no file of this process may be longer than 40 kB."""
    log.fill(100)
    before = log.folder.checkpoint()
    log.owe(200)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(EnvironmentFault, match=r"cannot write the log .*: File too large"):
            log.sequencer.append()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert log.folder.checkpoint() == before
    assert not list(log.folder.path.rglob("*.tmp"))
    assert audit_log(log.folder, SIGNER.key).ok
    assert log.sequencer.append() == 200
    assert published(log) == expected(300)


def _cut(log: TestLog) -> None:
    (log.folder.path / "tile/0/000.p/9").write_bytes((log.folder.path / "tile/0/000.p/9").read_bytes()[:-32])


def _flip(log: TestLog) -> None:
    path = log.folder.path / "tile/0/000.p/9"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def _fork(log: TestLog) -> None:
    text = Checkpoint(ORIGIN, 9, bytes(32)).text()
    log.folder.publish(write_note(text, [SIGNER.sign(text)]))


def _foreign(log: TestLog) -> None:
    log.folder.publish(b"x\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_cut, "lost what was signed"),
        (_flip, "do not have the tree of 9 entries"),
        (_fork, "do not have the tree of 9 entries"),
        (_foreign, "not one that this log signed"),
        (lambda log: shutil.rmtree(log.folder.path), "lost what was signed"),
        (lambda log: (log.folder.path / Tile(0, 0, 9).path).unlink(), "lost what was signed"),
    ],
)
def test_a_log_that_is_not_what_was_signed_takes_nothing(log: TestLog, harm, said: str) -> None:  # type: ignore[no-untyped-def]
    log.fill(9)
    harm(log)
    log.owe(1)
    with pytest.raises(CheckFailed, match=said):
        log.sequencer.append()
    assert log.store.logs.pending(ORIGIN)


def test_a_folder_that_was_put_back_is_refused(log: TestLog, tmp_path: Path) -> None:
    log.fill(4)
    shutil.copytree(log.folder.path, tmp_path / "old")
    log.fill(4)
    shutil.rmtree(log.folder.path)
    (tmp_path / "old").rename(log.folder.path)
    log.owe(1)
    with pytest.raises(CheckFailed, match="lost what was signed"):
        log.sequencer.append()


def test_witnesses_are_asked_once_a_round_and_their_word_is_published(log: TestLog) -> None:
    asked: list[int] = []

    def ask(note: bytes, size: int, prove) -> list[str]:  # type: ignore[no-untyped-def]
        asked.append(size)
        assert merkle.verify_consistency(2, size, prove(2), expected(2).root, expected(size).root)
        return ["— witness.example AAAAAAAA"]

    log.owe(300)
    assert log.with_witnesses(ask).append() == 300
    assert asked == [300]
    data = log.folder.checkpoint()
    assert data is not None
    assert data.endswith("— witness.example AAAAAAAA\n".encode())
    assert published(log) == expected(300)
