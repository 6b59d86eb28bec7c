"""A log at hand must still hold what its checkpoint promised."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.evidence import ask, ed25519, failed, logged
from support.logs import ORIGIN, SIGNER, TestLog

from lumen_workers.trust.checkpoints import parse_checkpoint
from lumen_workers.trust.notes import NoteSigner, parse_note
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import CHECKPOINT
from lumen_workers.trust.tlog.tree import TileTree


@dataclass
class Known:
    """Evidence whose entry is number 200 of a log that has gone on since."""

    data: bytes
    log: TestLog

    def asked(self, log: object = None) -> tuple[str, str]:
        return failed(ask(self.data, log=self.log.folder if log is None else log))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Known:
    log = TestLog(tmp_path_factory.mktemp("log"))
    return Known(logged(log), log)


@pytest.fixture
def known(made: Known, tmp_path: Path) -> Known:
    """A copy that may be harmed."""
    place = tmp_path / "log"
    shutil.copytree(made.log.folder.path, place)
    log = object.__new__(TestLog)
    log.folder = LogFolder(place)
    return Known(made.data, log)


def test_a_log_that_went_on_still_holds_it(known: Known) -> None:
    report = ask(known.data, log=known.log.folder)
    assert failed(report) == ("", "")
    assert [check.status for check in report.checks if check.name == "log"] == ["ran"]


def test_a_log_that_is_gone(known: Known) -> None:
    (known.log.folder.path / CHECKPOINT).unlink()
    assert known.asked() == ("log", "log_unreachable")


def test_a_log_of_another_key_or_a_checkpoint_that_is_none(known: Known) -> None:
    path = known.log.folder.path / CHECKPOINT
    text = parse_note(path.read_bytes()).text
    path.write_bytes((text + "\n" + NoteSigner(ORIGIN, ed25519(77)).sign(text) + "\n").encode())
    assert known.asked() == ("log", "checkpoint_signature_invalid")
    path.write_bytes(b"garbage")
    assert known.asked() == ("log", "checkpoint_malformed")


def publish(known: Known, size: int, root: bytes | None = None) -> None:
    """Sign a checkpoint, as a log does that is not honest."""
    path = known.log.folder.path / CHECKPOINT
    now = parse_checkpoint(parse_note(path.read_bytes()).text)
    text = replace(now, size=size, root=now.root if root is None else root).text()
    path.write_bytes((text + "\n" + SIGNER.sign(text) + "\n").encode())


def test_a_log_that_was_rolled_back(known: Known) -> None:
    publish(known, 100, known.log.folder.tree(100).root())
    assert known.asked() == ("log", "log_rolled_back")


def test_a_log_that_was_rolled_back_and_went_on(tmp_path: Path, known: Known) -> None:
    fork = TestLog(tmp_path / "fork")
    fork.fill(150)
    fork.count += 1000  # other entries from here on
    fork.fill(200)
    assert known.asked(fork.folder) == ("log", "log_forked")


def test_a_log_of_the_same_size_with_another_root(known: Known, tmp_path: Path) -> None:
    same = TestLog(tmp_path / "same")
    same.fill(201)
    assert known.asked(same.folder) == ("log", "log_forked")


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_log_whose_tiles_are_not_what_its_checkpoint_says(known: Known, harm: str) -> None:
    for path in (known.log.folder.path / "tile" / "0").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            if harm == "gone":
                path.unlink()
            else:
                path.write_bytes(data[:-32] if harm == "cut" else bytes(32) + data[32:])
    assert known.asked() == ("log", "log_truncated")


@pytest.mark.parametrize("harm", ["cut", "other", "gone"])
def test_a_log_whose_entry_is_another_one(known: Known, harm: str) -> None:
    for path in (known.log.folder.path / "tile" / "entries").rglob("*"):
        if path.is_file():
            if harm == "gone":
                path.unlink()
            elif harm == "cut":
                path.write_bytes(path.read_bytes()[:1000])
            else:
                path.write_bytes(path.read_bytes().replace(b'"trace_id":"0123', b'"trace_id":"1123'))
    assert known.asked() == ("log", "entry_mismatch" if harm == "other" else "log_truncated")


def test_a_log_that_cannot_be_read(known: Known) -> None:
    class Broken:
        def checkpoint(self) -> bytes | None:
            raise OSError(5, "cut off")

        def tree(self, size: int) -> TileTree:
            raise AssertionError

        def entry(self, index: int, size: int) -> bytes:
            raise AssertionError

    assert known.asked(Broken()) == ("log", "log_unreachable")
