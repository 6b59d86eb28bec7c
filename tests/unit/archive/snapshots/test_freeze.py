from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Literal

import pytest

from lumen_workers.archive.freeze import FreezeOptions, freeze
from lumen_workers.domain.errors import BuildError, EnvironmentFault, UsageError
from lumen_workers.domain.runs import Seal
from lumen_workers.trust import merkle


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout_and_manifest(tmp_path: Path, files: Path, seal: Seal) -> None:
    out = tmp_path / "out"
    snapshot = freeze(files, out, seal=seal, label="루멘", sources=["logs/*.csv"], highlights=["quote", {"a": 0.1}])
    contents = {f"files/{path}": data for path, data in tree(files).items()}
    assert tree(out).keys() == contents.keys() | {"snapshot.manifest.json", "SHA256SUMS.txt", "bundle.tar.gz"}
    assert {path: data for path, data in tree(out).items() if path.startswith("files/")} == contents

    manifest = json.loads((out / "snapshot.manifest.json").read_text())
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    assert manifest["label"] == "루멘"
    assert manifest["created_at"] == "2026-03-02T00:05:00.123456+00:00"
    assert manifest["sources"] == ["logs/*.csv"]
    assert manifest["highlights"] == ["quote", {"a": 0.1}]
    assert manifest["hash"] == {"algo": "sha256", "values": digests}
    assert manifest["seal"] == seal.as_json()
    assert manifest["files"] == [
        {"path": path, "size": len(contents[path]), "sha256": digests[path]} for path in sorted(contents)
    ]
    leaves = [
        merkle.leaf_hash(f'{{"path":"{path}","sha256":"{digests[path]}","size":{len(contents[path])}}}'.encode())
        for path in sorted(contents)
    ]
    assert manifest["merkle_root"] == snapshot.root == merkle.root(leaves).hex()
    tar = gzip.decompress((out / "bundle.tar.gz").read_bytes())
    assert manifest["tar"] == {"compression": "gz", "sha256": hashlib.sha256(tar).hexdigest(), "size": len(tar)}
    assert snapshot.tar_sha256 == hashlib.sha256(tar).hexdigest()
    assert (snapshot.files, snapshot.size) == (len(contents), sum(map(len, contents.values())))


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_the_tar_is_what_other_tools_read(
    tmp_path: Path, files: Path, seal: Seal, compression: Literal["gz", "xz"]
) -> None:
    freeze(files, tmp_path / "out", seal=seal, label="x", options=FreezeOptions(tar_compression=compression))
    with tarfile.open(tmp_path / "out" / f"bundle.tar.{compression}") as bundle:
        members = bundle.getmembers()
        found = {info.name: (content.read() if (content := bundle.extractfile(info)) else None) for info in members}
    assert list(found) == sorted(found)
    assert found == {f"files/{path}": data for path, data in tree(files).items()}
    assert {(info.mode, info.uid, info.gid, info.uname, info.gname) for info in members} == {(0o644, 0, 0, "", "")}
    assert {info.mtime for info in members} == {int(seal.sealed_at.timestamp())}


def test_coreutils_agree(tmp_path: Path, files: Path, seal: Seal) -> None:
    out = tmp_path / "out"
    freeze(files, out, seal=seal, label="x")
    lines = (out / "SHA256SUMS.txt").read_text().splitlines()
    assert {line[66:] for line in lines} == tree(out).keys() - {"SHA256SUMS.txt"}
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS.txt"], cwd=out, check=True, capture_output=True)
    for line in lines:
        assert hashlib.sha256((out / line[66:]).read_bytes()).hexdigest() == line[:64]


def test_options(tmp_path: Path, files: Path, seal: Seal) -> None:
    bundle = freeze(files, tmp_path / "a", seal=seal, label="x", options=FreezeOptions(include_plain_copy=False))
    plain = freeze(files, tmp_path / "b", seal=seal, label="x", options=FreezeOptions(make_tarball=False))
    assert tree(tmp_path / "a").keys() == {"snapshot.manifest.json", "SHA256SUMS.txt", "bundle.tar.gz"}
    assert "bundle.tar.gz" not in tree(tmp_path / "b")
    assert plain.tar_sha256 is None
    assert json.loads((tmp_path / "b" / "snapshot.manifest.json").read_text())["tar"] is None
    assert bundle.root == plain.root


def test_useless_options() -> None:
    with pytest.raises(UsageError, match="both off"):
        FreezeOptions(include_plain_copy=False, make_tarball=False)
    with pytest.raises(UsageError, match="gz or xz"):
        FreezeOptions(tar_compression="zst")  # type: ignore[arg-type]


FREEZE = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[1], 8))
from lumen_workers.archive.freeze import freeze
from lumen_workers.domain.clock import parse_ts
from lumen_workers.domain.runs import Seal
at = parse_ts("2026-03-02T09:05:00.5+09:00")
settings = {key: 1 for key in {"zone", "locale", "options"}}
watermark = {key: 1 for key in {"main", "demo", "third"}}
seal = Seal(pipeline="daily", day=at.date(), revision=1, start=at, end=at, cutoff=at, watermark=watermark,
            settings=settings, code_version="c", config_digest="d", prev_digest=None, sealed_at=at)
highlights = [dict.fromkeys({"a", "b", "c"}, 1)]
freeze(Path(sys.argv[2]), Path(sys.argv[3]), seal=seal, label="\\ub8e8\\uba58", highlights=highlights)
"""


def test_same_bytes_wherever_and_whenever(tmp_path: Path, files: Path) -> None:
    places: list[tuple[str, dict[str, str]]] = [
        ("022", {"PYTHONHASHSEED": "1", "TZ": "Asia/Seoul", "LC_ALL": "C.UTF-8"}),
        ("077", {"PYTHONHASHSEED": "2", "TZ": "America/Los_Angeles", "LC_ALL": "C", "PYTHONUTF8": "0"}),
    ]
    found = []
    for number, (umask, extra) in enumerate(places):
        copy = tmp_path / f"in-{number}"
        for path in sorted(files.rglob("*"), reverse=bool(number)):  # other creation order, times and modes
            if path.is_file():
                target = copy / path.relative_to(files)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
                target.chmod(0o600 + number * 0o44)
                os.utime(target, (number, number))
        out = tmp_path / f"out-{number}"
        command = [sys.executable, "-c", FREEZE, umask, str(copy), str(out)]
        subprocess.run(command, env={**os.environ, **extra}, check=True)
        found.append(tree(out))
    assert found[0] == found[1]


def test_nothing_but_the_files_and_the_seal_enters(tmp_path: Path, files: Path, seal: Seal) -> None:
    first = freeze(files, tmp_path / "a", seal=seal, label="x")
    (files / "controls" / "reports" / "report.md").write_text("other")
    assert freeze(files, tmp_path / "b", seal=seal, label="x").root != first.root


@pytest.mark.parametrize("kind", ["symlink", "folder link", "dangling link", "pipe"])
def test_links_and_special_files_are_refused(tmp_path: Path, files: Path, seal: Seal, kind: str) -> None:
    odd = files / "controls" / "odd"
    match kind:
        case "symlink":
            odd.symlink_to(files / "controls" / "seal.json")
        case "folder link":
            odd.symlink_to(files / "loops", target_is_directory=True)
        case "dangling link":
            odd.symlink_to("nowhere")
        case _:
            os.mkfifo(odd)
    with pytest.raises(BuildError, match="odd"):
        freeze(files, tmp_path / "out", seal=seal, label="x")


@pytest.mark.parametrize("name", [b"new\nline", b"back\\slash", b"not-\xff-utf8", b"n" * 120 + b".csv"])
def test_names_that_cannot_be_frozen(tmp_path: Path, files: Path, seal: Seal, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(files) + b"/" + name))).write_bytes(b"x")
    with pytest.raises(BuildError, match="cannot freeze"):
        freeze(files, tmp_path / "out", seal=seal, label="x")


def test_korean_names_with_spaces(tmp_path: Path, seal: Seal) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "하루 기록.md").write_text("x")
    freeze(tmp_path / "in", tmp_path / "out", seal=seal, label="x")
    with tarfile.open(tmp_path / "out" / "bundle.tar.gz", encoding="utf-8") as bundle:
        assert bundle.getnames() == ["files/하루 기록.md"]


def test_nothing_to_freeze(tmp_path: Path, seal: Seal) -> None:
    (tmp_path / "in" / "empty").mkdir(parents=True)
    with pytest.raises(BuildError, match="nothing to freeze"):
        freeze(tmp_path / "in", tmp_path / "out", seal=seal, label="x")
    with pytest.raises(EnvironmentFault, match="cannot read"):
        freeze(tmp_path / "none", tmp_path / "out", seal=seal, label="x")


def test_a_used_folder_is_left_alone(tmp_path: Path, files: Path, seal: Seal) -> None:
    freeze(files, tmp_path / "out", seal=seal, label="x")
    before = tree(tmp_path / "out")
    with pytest.raises(BuildError, match="not empty"):
        freeze(files, tmp_path / "out", seal=seal, label="y")
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("highlights", [[float("nan")], [{1, 2}], ["\ud800"]])
def test_highlights_that_are_no_json(tmp_path: Path, files: Path, seal: Seal, highlights: list[Any]) -> None:
    with pytest.raises(BuildError):
        freeze(files, tmp_path / "out", seal=seal, label="x", highlights=highlights)


@pytest.mark.parametrize("change", [b"", b"longer than it was before"])
def test_a_file_that_changes_meanwhile(
    tmp_path: Path, seal: Seal, monkeypatch: pytest.MonkeyPatch, change: bytes
) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a"
    path.write_bytes(b"as it was")
    opened = Path.open

    def late(self: Path, *args: Any, **kwargs: Any) -> Any:
        return io.BytesIO(change) if self == path else opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", late)
    with pytest.raises(BuildError, match="changed while"):
        freeze(tmp_path / "in", tmp_path / "out", seal=seal, label="x")


def test_disk_full(tmp_path: Path, files: Path, seal: Seal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        freeze(files, tmp_path / "out", seal=seal, label="x")
