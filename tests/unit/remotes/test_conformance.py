"""What every archive remote does. A new member joins by one line in MEMBERS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.domain.errors import BuildError, LumenError, NotFound, UsageError
from lumen_workers.domain.ports import Remote

NAME = "2026-03-01"


@dataclass(frozen=True)
class Member:
    """``make`` opens the remote that belongs to a test's folder; ``source`` is Python that does so elsewhere."""

    make: Callable[[Path], Remote]
    source: str


MEMBERS = {
    "local": Member(
        make=lambda folder: LocalRemote(folder / "remote"),
        source="from lumen_workers.adapters.remotes import LocalRemote; remote = LocalRemote(folder / 'remote')",
    ),
}


@pytest.fixture(params=sorted(MEMBERS))
def member(request: pytest.FixtureRequest) -> Member:
    return MEMBERS[request.param]


@pytest.fixture
def remote(member: Member, tmp_path: Path) -> Remote:
    return member.make(tmp_path)


def make(folder: Path, text: str = "x") -> Path:
    for path in ("snapshot.manifest.json", "files/a/b.csv", "files/한글.md"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{path} {text}")
    (folder / "files" / "empty").write_bytes(b"")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publish_and_fetch(remote: Remote, tmp_path: Path) -> None:
    folder = make(tmp_path / "in")
    assert remote.publish(NAME, folder) is True
    assert remote.exists(NAME)
    target = remote.fetch(NAME, tmp_path / "out")
    assert target == tmp_path / "out"
    assert tree(target) == tree(folder)


def test_what_is_published_stands(remote: Remote, tmp_path: Path) -> None:
    folder = make(tmp_path / "in", "one")
    assert remote.publish(NAME, folder) is True
    assert remote.publish(NAME, folder) is False
    assert remote.publish(NAME, make(tmp_path / "other", "two")) is False
    assert tree(remote.fetch(NAME, tmp_path / "out")) == tree(folder)


def test_it_is_a_copy(remote: Remote, tmp_path: Path) -> None:
    folder = make(tmp_path / "in")
    before = tree(folder)
    remote.publish(NAME, folder)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_text("changed in place")
    fetched = remote.fetch(NAME, tmp_path / "out")
    assert tree(fetched) == before
    (fetched / "snapshot.manifest.json").write_text("changed in place")
    assert tree(remote.fetch(NAME, tmp_path / "again")) == before


def test_names(remote: Remote, tmp_path: Path) -> None:
    assert remote.names() == []
    for name in ("2026-03-01.r2", "2026-02-28", "2026-03-01"):
        remote.publish(name, make(tmp_path / name))
    assert remote.names() == ["2026-02-28", "2026-03-01", "2026-03-01.r2"]


def test_another_instance_sees_it(member: Member, tmp_path: Path) -> None:
    member.make(tmp_path).publish(NAME, make(tmp_path / "in"))
    assert member.make(tmp_path).names() == [NAME]


def test_attach(remote: Remote, tmp_path: Path) -> None:
    remote.publish(NAME, make(tmp_path / "in"))
    assert remote.attach(NAME, "signatures/one.sig", b"one") is True
    assert remote.attach(NAME, "signatures/one.sig", b"another") is False
    assert remote.attach(NAME, "signatures/two.sig", b"two") is True
    fetched = tree(remote.fetch(NAME, tmp_path / "out"))
    assert fetched == {**tree(tmp_path / "in"), "signatures/one.sig": b"one", "signatures/two.sig": b"two"}


def test_attach_never_replaces_a_published_file(remote: Remote, tmp_path: Path) -> None:
    remote.publish(NAME, make(tmp_path / "in"))
    assert remote.attach(NAME, "snapshot.manifest.json", b"forged") is False
    assert tree(remote.fetch(NAME, tmp_path / "out")) == tree(tmp_path / "in")


def test_note(remote: Remote, tmp_path: Path) -> None:
    remote.note("index.jsonl", b"one\n")
    remote.publish(NAME, make(tmp_path / "in"))
    remote.note("index.jsonl", b"one\ntwo\n")
    assert remote.names() == [NAME]
    assert not remote.exists("index.jsonl")
    with pytest.raises(UsageError):
        remote.note("../index.jsonl", b"")


def test_what_is_not_there(remote: Remote, tmp_path: Path) -> None:
    assert not remote.exists(NAME)
    with pytest.raises(NotFound, match=NAME):
        remote.fetch(NAME, tmp_path / "out")
    with pytest.raises(NotFound, match=NAME):
        remote.attach(NAME, "signatures/one.sig", b"")
    assert not (tmp_path / "out").exists()


def test_fetch_overwrites_nothing(remote: Remote, tmp_path: Path) -> None:
    remote.publish(NAME, make(tmp_path / "in"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(UsageError, match="exists already"):
        remote.fetch(NAME, tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"kept"}


@pytest.mark.parametrize("name", ["", ".", "..", "../out", "/abs", "a/../b", ".hidden", "a\\b", "a\nb", "a\0b", "-x"])
def test_names_that_lead_elsewhere(remote: Remote, tmp_path: Path, name: str) -> None:
    folder = make(tmp_path / "in")
    remote.publish(NAME, folder)
    before = tree(tmp_path)
    for attempt in (
        lambda: remote.publish(name, folder),
        lambda: remote.fetch(name, tmp_path / "out"),
        lambda: remote.exists(name),
        lambda: remote.attach(name, "a", b""),
        lambda: remote.attach(NAME, name, b""),
    ):
        with pytest.raises(UsageError):
            attempt()
    assert tree(tmp_path) == before


@pytest.mark.parametrize("kind", ["file link", "folder link", "empty"])
def test_what_cannot_be_published(remote: Remote, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "in"
    if kind == "empty":
        folder.mkdir()
    else:
        make(folder)
        (folder / "link").symlink_to("/etc/hostname" if kind == "file link" else "/etc")
    with pytest.raises(BuildError):
        remote.publish(NAME, folder)
    assert remote.names() == []
    assert not remote.exists(NAME)


def test_a_folder_that_is_not_there_cannot_be_published(remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(LumenError, match=NAME):
        remote.publish(NAME, tmp_path / "none")
    assert remote.names() == []


RACE = """
import sys
from pathlib import Path
folder = Path(sys.argv[1])
{source}
print("ready", flush=True)
for line in sys.stdin:
    name, mine = line.split()
    print(remote.publish(name, folder / mine), flush=True)
    print(remote.attach(name, "signatures/one.sig", mine.encode()), flush=True)
"""


def test_of_two_processes_exactly_one_publishes(member: Member, remote: Remote, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE.format(source=member.source), str(tmp_path)]
    racers = {}
    for mine in ("one", "two"):
        make(tmp_path / mine, mine)
        (tmp_path / mine / "files" / "large").write_bytes(mine.encode() * 300_000)
        racers[mine] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for racer in racers.values():
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for number in range(8):
        name = f"2026-03-{number + 1:02}"
        for mine, racer in racers.items():
            assert racer.stdin
            racer.stdin.write(f"{name} {mine}\n")
            racer.stdin.flush()
        published, attached = [], []
        for mine, racer in racers.items():
            assert racer.stdout
            if racer.stdout.readline() == "True\n":
                published.append(mine)
            if racer.stdout.readline() == "True\n":
                attached.append(mine)
        assert len(published) == len(attached) == 1
        fetched = tree(remote.fetch(name, tmp_path / "out" / name))
        assert fetched.pop("signatures/one.sig") == attached[0].encode()
        assert fetched == tree(tmp_path / published[0])
    for racer in racers.values():
        racer.communicate()
        assert racer.returncode == 0
