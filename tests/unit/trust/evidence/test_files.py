"""The files that evidence names: there, plain, and what was signed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from support.evidence import Forge, ask, failed, statement

from lumen_workers.trust.evidence.plain import NotPlain, digest_of, open_plain, read_plain

FILES = (("report.txt", b"report\n"), ("in/deep/data.csv", b"1,2\n"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def evidence() -> Forge:
    return Forge(payload=statement(FILES).dump())


def subjects(folder: Path) -> str:
    report = ask(evidence(), folder=folder)
    assert report.reason == failed(report)[1]
    return failed(report)[1]


def test_every_subject_is_looked_at(folder: Path) -> None:
    report = ask(evidence(), folder=folder)
    assert report.ok
    assert [check.detail for check in report.checks if check.name == "subjects"] == ["2 of 2"]


def test_what_lies_beside_them_does_not_matter(folder: Path) -> None:
    (folder / "more.txt").write_bytes(b"")
    assert ask(evidence(), folder=folder).ok


@pytest.mark.parametrize("name", ["report.txt", "in/deep/data.csv", "in/deep", "in"])
def test_a_link_anywhere_in_the_path_is_refused(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "elsewhere")
    (folder / name).symlink_to(folder / "elsewhere")
    assert subjects(folder) == "subject_not_a_file"


def test_a_link_that_leads_nowhere_or_to_itself(folder: Path) -> None:
    for target in ("nowhere", "report.txt"):
        (folder / "report.txt").unlink()
        (folder / "report.txt").symlink_to(target)
        assert subjects(folder) == "subject_not_a_file"


def test_a_folder_a_pipe_a_socket_or_nothing_in_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "report.txt"
    path.unlink()
    assert subjects(folder) == "subject_missing"
    path.mkdir()
    assert subjects(folder) == "subject_not_a_file"
    path.rmdir()
    os.mkfifo(path)
    assert subjects(folder) == "subject_not_a_file"
    path.unlink()
    monkeypatch.chdir(folder)  # a socket's path has a hundred bytes at most
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("report.txt")
        assert subjects(folder) == "subject_not_a_file"


def test_a_file_where_a_folder_belongs(folder: Path) -> None:
    (folder / "in/deep/data.csv").unlink()
    (folder / "in/deep").rmdir()
    (folder / "in/deep").write_bytes(b"")
    assert subjects(folder) == "subject_not_a_file"


def test_one_byte_more_or_less(folder: Path) -> None:
    for data in (b"report", b"report\n\n", b"Report\n", b""):
        (folder / "report.txt").write_bytes(data)
        assert subjects(folder) == "subject_digest_mismatch"


def test_no_folder(tmp_path: Path) -> None:
    assert subjects(tmp_path / "nowhere") == "subject_missing"


def test_only_the_files_that_are_asked_about_are_looked_at(folder: Path) -> None:
    (folder / "in/deep/data.csv").unlink()
    place = folder / "elsewhere.txt"
    (folder / "report.txt").rename(place)
    assert ask(evidence(), folder=folder, files={"report.txt": place}).ok
    place.write_bytes(b"x")
    asked = ask(evidence(), folder=folder, files={"report.txt": place})
    assert failed(asked) == ("subjects", "subject_digest_mismatch")
    renamed = ask(evidence(), folder=folder, files={"elsewhere.txt": place})
    assert failed(renamed) == ("subjects", "file_not_attested")


def test_evidence_of_a_file_is_none_of_the_folder_that_it_lies_in(folder: Path) -> None:
    assert failed(ask(evidence(), folder=folder, whole=True)) == ("subjects", "file_not_attested")


def test_files_are_read_through_plain_folders_only(folder: Path) -> None:
    assert read_plain(folder, "report.txt", 3) == b"repo"
    assert len(digest_of(folder, "in/deep/data.csv")) == 64
    before = len(list(Path("/proc/self/fd").iterdir()))
    (folder / "link").symlink_to(folder / "in")
    for name in ("link/deep/data.csv", "in", "in/deep/data.csv/x"):
        with pytest.raises(NotPlain):
            open_plain(folder, name)
    for name in ("nothing", "nothing/x"):
        with pytest.raises(FileNotFoundError):
            open_plain(folder, name)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
