"""What only a directory can get wrong."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.domain.errors import EnvironmentFault

NAME = "2026-03-01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "files").mkdir(parents=True)
    (tmp_path / "in" / "files" / "a").write_text("a")
    return tmp_path / "in"


@pytest.fixture
def remote(tmp_path: Path) -> LocalRemote:
    return LocalRemote(tmp_path / "remote")


def test_disk_full_leaves_nothing_and_says_so(
    tmp_path: Path, remote: LocalRemote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str, **_: object) -> None:
        Path(target).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(
        EnvironmentFault, match=r"^cannot publish 2026-03-01 .*No space left on device; free some space$"
    ):
        remote.publish(NAME, folder)
    assert not list((tmp_path / "remote").iterdir())
    monkeypatch.undo()

    remote.publish(NAME, folder)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(EnvironmentFault, match="cannot fetch 2026-03-01"):
        remote.fetch(NAME, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_attach_with_a_full_disk(
    tmp_path: Path, remote: LocalRemote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    remote.publish(NAME, folder)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFault, match="free some space"):
        remote.attach(NAME, "signatures/one.sig", b"x")
    assert [path.name for path in (tmp_path / "remote").iterdir()] == [NAME]
    assert not (tmp_path / "remote" / NAME / "signatures" / "one.sig").exists()


def test_place_that_cannot_be_written(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    remote = LocalRemote(tmp_path / "file")
    with pytest.raises(EnvironmentFault, match="cannot publish"):
        remote.publish(NAME, folder)
    with pytest.raises(EnvironmentFault, match="cannot list"):
        remote.names()


@pytest.mark.parametrize("kind", ["file", "link to a folder"])
def test_something_else_has_the_name(tmp_path: Path, remote: LocalRemote, folder: Path, kind: str) -> None:
    (tmp_path / "remote").mkdir()
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "remote" / NAME
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    assert not remote.exists(NAME)
    assert remote.names() == []
    with pytest.raises(EnvironmentFault, match="cannot publish"):
        remote.publish(NAME, folder)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_links_are_neither_followed_nor_hidden(tmp_path: Path, remote: LocalRemote, folder: Path) -> None:
    remote.publish(NAME, folder)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    place = tmp_path / "remote" / NAME
    (place / "file").symlink_to(tmp_path / "secret" / "key")
    (place / "signatures").symlink_to(tmp_path / "secret", target_is_directory=True)
    os.mkfifo(place / "pipe")
    fetched = remote.fetch(NAME, tmp_path / "out")
    assert (fetched / "file").is_symlink()
    assert (fetched / "signatures").is_symlink()
    assert not (fetched / "pipe").exists()
    with pytest.raises(EnvironmentFault, match="is a link"):
        remote.attach(NAME, "signatures/one.sig", b"x")
    assert [path.name for path in (tmp_path / "secret").iterdir()] == ["key"]


def test_leftovers_of_a_crash_go_after_a_day(tmp_path: Path, remote: LocalRemote, folder: Path) -> None:
    old, young, file = (tmp_path / "remote" / f".{name}.0123.tmp" for name in ("old", "young", "file"))
    for leftover in (old, young):
        leftover.mkdir(parents=True)
        (leftover / "half").write_text("x")
    file.write_text("x")
    before = time.time() - 25 * 3600
    for leftover in (old, file):
        os.utime(leftover, (before, before))
    assert remote.names() == []
    remote.publish(NAME, folder)
    assert sorted(path.name for path in (tmp_path / "remote").iterdir()) == [young.name, NAME]


def test_other_things_beside_the_snapshots(tmp_path: Path, remote: LocalRemote, folder: Path) -> None:
    remote.publish(NAME, folder)
    (tmp_path / "remote" / "index.jsonl").write_text("")
    (tmp_path / "remote" / ".hidden").mkdir()
    assert remote.names() == [NAME]


def test_nothing_appears_before_it_is_whole(
    tmp_path: Path, remote: LocalRemote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    copy = shutil.copyfile

    def watched(source: str, target: str, *, follow_symlinks: bool = True) -> str:
        seen.append(remote.exists(NAME) or bool(remote.names()))
        return copy(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(shutil, "copyfile", watched)
    remote.publish(NAME, folder)
    assert seen == [False]


def test_a_note_is_replaced_whole(tmp_path: Path) -> None:
    remote = LocalRemote(tmp_path / "remote")
    remote.note("index.jsonl", b"one\n")
    remote.note("index.jsonl", b"one\ntwo\n")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "remote").iterdir()] == [
        ("index.jsonl", b"one\ntwo\n")
    ]
