from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from lumen_workers.trust.files import alone, write_once


def test_the_first_write_stands(tmp_path: Path) -> None:
    assert write_once(tmp_path / "a", b"one") is True
    assert write_once(tmp_path / "a", b"two") is False
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_dangling_link_is_something(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    assert write_once(tmp_path / "a", b"one") is False
    assert not (tmp_path / "elsewhere").exists()


def test_mode_is_exact(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_once(tmp_path / "a", b"", mode=0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_once(tmp_path / "a", b"one")
    assert not list(tmp_path.iterdir())


def test_one_at_a_time_and_a_child_keeps_no_lock(tmp_path: Path) -> None:
    """A child that was forked under the lock has its descriptor; it must not hold the lock once the parent is done."""
    read, write = os.pipe()
    with alone(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        with pytest.raises(BlockingIOError):
            lock(tmp_path / "lock")
    lock(tmp_path / "lock")
    os.close(read)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0


def lock(path: Path) -> None:
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
