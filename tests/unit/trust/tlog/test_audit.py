"""A monitor's audit: a log that is in order holds, and what is wrong is told by its own name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.logs import ORIGIN, PRIVATE, SIGNER, TestLog, entry_of

from lumen_workers.trust import merkle
from lumen_workers.trust.checkpoints import Checkpoint
from lumen_workers.trust.notes import NoteSigner, write_note
from lumen_workers.trust.tlog.audit import MOST_FINDINGS, LogReport, audit_log
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import Tile, pack


@pytest.fixture
def log(tmp_path: Path) -> TestLog:
    return TestLog(tmp_path / "log")


def audit(log: TestLog, remembered: bytes | None = None) -> LogReport:
    return audit_log(log.folder, SIGNER.key, remembered=remembered)


def checkpoint(log: TestLog) -> bytes:
    data = log.folder.checkpoint()
    assert data is not None
    return data


def reasons(report: LogReport) -> list[tuple[str, str]]:
    return [(finding.reason, finding.where) for finding in report.findings]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 511, 512, 700])
def test_a_log_in_order_holds(log: TestLog, count: int) -> None:
    log.sequencer.append()
    log.fill(count, batch=200)
    report = audit(log)
    root = merkle.root(merkle.leaf_hash(entry_of(number)) for number in range(count))
    assert report.ok, report.findings
    assert (report.origin, report.size, report.root, report.entries) == (ORIGIN, count, root, count)
    assert report.checkpoint == checkpoint(log)


def test_every_tile_of_three_levels_is_read(tmp_path: Path) -> None:
    """Beyond 65,536 entries, with a log whose levels are made here at one stroke."""
    entries = [entry_of(number % 300) for number in range(65_536 + 300)]
    folder = LogFolder(tmp_path / "log")
    hashes, level = [merkle.leaf_hash(entry) for entry in entries], 0
    root = merkle.root(hashes)
    for number, at in enumerate(range(0, len(entries), 256)):
        part = entries[at : at + 256]
        plain(folder, Tile(None, number, len(part)), pack(part))
    while hashes:
        parts = [hashes[at : at + 256] for at in range(0, len(hashes), 256)]
        for number, part in enumerate(parts):
            plain(folder, Tile(level, number, len(part)), b"".join(part))
        hashes, level = [merkle.root(part) for part in parts if len(part) == 256], level + 1
    text = Checkpoint(ORIGIN, len(entries), root).text()
    folder.publish(write_note(text, [SIGNER.sign(text)]))
    told: list[tuple[int, int]] = []
    report = audit_log(folder, SIGNER.key, progress=lambda done, size: told.append((done, size)))
    assert report.ok, report.findings
    assert report.tiles == 258 + 2 + 1
    assert told[0] == (256, 65_836)
    assert told[-1] == (65_836, 65_836)
    flip(folder.path / Tile(2, 0, 1).path, 0)
    flip(folder.path / Tile(1, 1, 1).path, 0)
    found = reasons(audit_log(folder, SIGNER.key))
    assert found == [("tile_mismatch", "tile/1/001.p/1"), ("tile_mismatch", "tile/2/000.p/1")]


def plain(folder: LogFolder, tile: Tile, data: bytes) -> None:
    path = folder.path / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _sign(log: TestLog, size: int, root: bytes, signer: NoteSigner = SIGNER) -> None:
    text = Checkpoint(signer.key.name, size, root).text()
    log.folder.publish(write_note(text, [signer.sign(text)]))


def _without_checkpoint(log: TestLog) -> None:
    (log.folder.path / "checkpoint").unlink()


def _malformed_checkpoint(log: TestLog) -> None:
    log.folder.publish(checkpoint(log).replace(b"\n300\n", b"\n0300\n"))


def _changed_checkpoint(log: TestLog) -> None:
    log.folder.publish(checkpoint(log).replace(b"\n300\n", b"\n299\n"))


def _unsigned_checkpoint(log: TestLog) -> None:
    text = Checkpoint(ORIGIN, 300, bytes(32)).text()
    other = NoteSigner(ORIGIN, Ed25519PrivateKey.generate())
    log.folder.publish(write_note(text, [other.sign(text)]))


def _foreign_checkpoint(log: TestLog) -> None:
    _sign(log, 300, bytes(32), NoteSigner("example.org/other", PRIVATE))


def _other_root(log: TestLog) -> None:
    _sign(log, 300, bytes(32))


def _entry_changed(log: TestLog) -> None:
    path = log.folder.path / "tile/entries/000"
    data = path.read_bytes()
    assert entry_of(7) in data
    path.write_bytes(data.replace(entry_of(7), entry_of(7).replace(b'"8"', b'"9"')))


def _entry_malformed(log: TestLog) -> None:
    flip(log.folder.path / "tile/entries/000", 2)


def _entries_swapped(log: TestLog) -> None:
    entries = [entry_of(number) for number in range(256)]
    entries[3], entries[4] = entries[4], entries[3]
    (log.folder.path / "tile/entries/000").write_bytes(pack(entries))


def _bundle_gone(log: TestLog) -> None:
    (log.folder.path / "tile/entries/000").unlink()


def _bundle_short(log: TestLog) -> None:
    path = log.folder.path / "tile/entries/001.p/44"
    path.write_bytes(pack([entry_of(number) for number in range(256, 299)]))


def _bundle_cut(log: TestLog) -> None:
    path = log.folder.path / "tile/entries/001.p/44"
    path.write_bytes(path.read_bytes()[:-1])


def _tile_changed(log: TestLog) -> None:
    flip(log.folder.path / "tile/0/000", 32 * 9)


def _upper_tile_changed(log: TestLog) -> None:
    flip(log.folder.path / "tile/1/000.p/1", 0)


def _tile_gone(log: TestLog) -> None:
    (log.folder.path / "tile/0/000").unlink()


def _tile_short(log: TestLog) -> None:
    path = log.folder.path / "tile/0/001.p/44"
    path.write_bytes(path.read_bytes()[:-32])


def _upper_tile_gone(log: TestLog) -> None:
    (log.folder.path / "tile/1/000.p/1").unlink()


def _older_tile_changed(log: TestLog) -> None:
    flip(log.folder.path / "tile/0/001.p/20", 0)


def _older_bundle_changed(log: TestLog) -> None:
    path = log.folder.path / "tile/entries/001.p/20"
    path.write_bytes(path.read_bytes().replace(entry_of(260), entry_of(270)))


def _end_gone(log: TestLog) -> None:
    for name in ("tile/0/001.p", "tile/entries/001.p"):
        shutil.rmtree(log.folder.path / name)


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (_without_checkpoint, [("checkpoint_missing", "checkpoint")]),
        (_malformed_checkpoint, [("checkpoint_malformed", "checkpoint")]),
        (_changed_checkpoint, [("checkpoint_signature_invalid", "checkpoint")]),
        (_unsigned_checkpoint, [("checkpoint_signature_invalid", "checkpoint")]),
        (_foreign_checkpoint, [("log_unknown", "checkpoint")]),
        (_other_root, [("root_mismatch", "checkpoint")]),
        (
            _entry_changed,
            [("tile_mismatch", "tile/1/000.p/1"), ("entry_mismatch", "entry 7"), ("root_mismatch", "checkpoint")],
        ),
        (
            _entries_swapped,
            [
                ("tile_mismatch", "tile/1/000.p/1"),
                ("entry_mismatch", "entry 3"),
                ("entry_mismatch", "entry 4"),
                ("root_mismatch", "checkpoint"),
            ],
        ),
        (
            _entry_malformed,
            [
                ("entry_malformed", "entry 0"),
                ("tile_mismatch", "tile/1/000.p/1"),
                ("entry_mismatch", "entry 0"),
                ("root_mismatch", "checkpoint"),
            ],
        ),
        (_bundle_gone, [("entry_missing", "entry 0")]),
        (_bundle_short, [("entry_missing", "entry 299")]),
        (_bundle_cut, [("entry_missing", "entry 256")]),
        (_tile_changed, [("tile_mismatch", "tile/0/000")]),
        (_upper_tile_changed, [("tile_mismatch", "tile/1/000.p/1")]),
        (_tile_gone, [("log_truncated", "tile/0/000")]),
        (_tile_short, [("log_truncated", "tile/0/001.p/44")]),
        (_upper_tile_gone, [("log_truncated", "tile/1/000.p/1")]),
        (_older_tile_changed, [("tile_mismatch", "tile/0/001.p/20")]),
        (_older_bundle_changed, [("tile_mismatch", "tile/entries/001.p/20")]),
        (_end_gone, [("log_truncated", "tile/0/001.p/44"), ("entry_missing", "entry 256")]),
    ],
)
def test_what_is_wrong_is_named(log: TestLog, harm: Callable[[TestLog], None], found: list[tuple[str, str]]) -> None:
    for count in (100, 176, 24):
        log.fill(count)
    harm(log)
    report = audit(log)
    assert reasons(report) == found
    assert report.reason == found[0][0]
    assert not report.ok


def test_what_was_remembered_is_still_there(log: TestLog) -> None:
    log.sequencer.append()
    before = [checkpoint(log)]
    for count in (1, 9, 255, 300):
        log.fill(count)
        before.append(checkpoint(log))
    for remembered, size in zip(before, (0, 1, 10, 265, 565), strict=True):
        report = audit(log, remembered)
        assert report.ok
        assert report.since == size


def test_a_log_that_was_put_back_is_told(log: TestLog, tmp_path: Path) -> None:
    log.fill(5)
    shutil.copytree(log.folder.path, tmp_path / "old")
    log.fill(5)
    report = audit_log(LogFolder(tmp_path / "old"), SIGNER.key, remembered=checkpoint(log))
    assert reasons(report) == [("log_rolled_back", "checkpoint")]
    assert report.findings[0].detail == "it has 5 entries, it had 10"


@pytest.mark.parametrize("later", [0, 1, 300])
def test_a_fork_is_told(log: TestLog, tmp_path: Path, later: int) -> None:
    """Two logs of one key, each in order by itself."""
    log.fill(9)
    other = TestLog(tmp_path / "other")
    other.count = 1
    other.fill(9 + later)
    assert audit(other).ok
    report = audit(other, checkpoint(log))
    assert reasons(report) == [("log_forked", "checkpoint")]


def test_only_what_this_log_signed_can_be_remembered(log: TestLog) -> None:
    log.fill(1)
    text = Checkpoint("example.org/other", 1, bytes(32)).text()
    for remembered in (
        b"",
        checkpoint(log).replace(b"\n1\n", b"\n0\n"),
        write_note(text, [SIGNER.sign(text)]),
        write_note(text, [NoteSigner("example.org/other", PRIVATE).sign(text)]),
    ):
        with pytest.raises(ValueError, match=r"note|sign|of the log"):
            audit(log, remembered)


def test_tiles_beyond_the_checkpoint_are_nobodys(log: TestLog) -> None:
    """What a crash before the signature left: nobody reads it, and the next batch replaces it."""
    log.fill(5)
    for path in ("tile/0/000.p/6", "tile/0/001.p/1", "tile/entries/000.p/6"):
        place = log.folder.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
    assert audit(log).ok


def test_findings_are_counted_not_kept_without_end(log: TestLog) -> None:
    log.fill(200)
    (log.folder.path / "tile/entries/000.p/200").write_bytes(pack([b"x"] * 200))
    report = audit(log)
    assert len(report.findings) == MOST_FINDINGS
    assert report.more == 100 + 200 + 1  # forms, then hashes, then the root
