"""verify_lumen.py as a stranger runs it: from an empty folder, with cryptography alone, on whatever he is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cryptography
import pytest
from attacks.both import ONE_FILE, verify_lumen
from attacks.forge import NOW, Forge, make_day

BARE = """
import datetime, json, runpy, sys
place, program, now, *words = sys.argv[1:]
sys.path.append(place)
class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(now)
datetime.datetime = Clock
sys.stdout.reconfigure(encoding="ascii", errors="strict")
sys.argv = [program, *words]
try:
    runpy.run_path(program, run_name="__main__")
except SystemExit as end:
    packages = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    sys.stderr.write("\\n" + json.dumps([end.code, sorted(packages)]))
"""


class Stranger:
    """Somebody in an empty folder, whose Python has nothing but its own library and cryptography."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.packages = folder / "empty", folder / "packages"
        self.folder.mkdir()
        self.packages.mkdir()
        site = Path(cryptography.__file__).parents[1]
        for name in site.iterdir():
            if name.name == "cryptography" or name.name.startswith(("cffi", "_cffi_backend")):
                (self.packages / name.name).symlink_to(name)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output, and what stood on standard error; fails where another package was loaded."""
        command = [sys.executable, "-I", "-S", "-c", BARE, str(self.packages), str(ONE_FILE), NOW.isoformat(), *words]
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        said, _, last = ran.stderr.rpartition("\n")
        assert "Traceback" not in ran.stderr, ran.stderr
        code, packages = json.loads(last)
        assert set(packages) <= {"cryptography", "_openssl", "cffi", "_cffi_backend", "__main__"}, packages
        return code, ran.stdout, said


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    folder = tmp_path / "2026-05-09"
    make_day(folder)
    made = Forge(folder)
    made.build()
    return made


def test_from_an_empty_folder_with_cryptography_alone(stranger: Stranger, forge: Forge) -> None:
    root = ("--root", forge.root.fingerprint)
    code, told, _ = stranger.run(str(forge.folder), *root, "--json", "--offline", "--day", "2026-05-09")
    found = json.loads(told)
    assert (code, found["ok"], found["verdict"]) == (0, True, "VALID")
    assert [check["status"] for check in found["checks"]] == ["ran"] * 16 + ["skipped", "ran"]
    code, told, _ = stranger.run(str(forge.folder), *root, "--policy", "strict", "--threshold", "2")
    assert (code, told.splitlines()[-1].split(": ")[1].split(",")[0]) == (1, "INVALID (threshold_not_met)")


def test_every_line_names_a_check(stranger: Stranger, forge: Forge) -> None:
    _, told, _ = stranger.run(str(forge.path), "--root", forge.root.fingerprint)
    *lines, last = told.splitlines()
    assert tuple(line.split()[0] for line in lines) == verify_lumen.CHECKS
    assert last == (
        f"{forge.path}: VALID, signed by urn:lumen:region:ap-northeast-2, "
        "seen by witnesses at 2026-05-10T00:07:00.000000+00:00"
    )


def test_fingerprints_as_openssl_prints_them(stranger: Stranger, forge: Forge) -> None:
    pairs = forge.root.fingerprint.upper()
    text = ":".join(pairs[at : at + 2] for at in range(0, 64, 2))
    assert stranger.run(str(forge.path), "--root", text)[0] == 0


def test_the_worst_of_several_counts(stranger: Stranger, forge: Forge) -> None:
    (forge.folder / "us-west-2.lumen.json").write_bytes(b"{}")
    code, told, _ = stranger.run(str(forge.folder), "--root", forge.root.fingerprint, "--json")
    assert code == 1
    assert [found["verdict"] for found in json.loads(told)] == ["VALID", "INVALID"]


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "device", "name that is no text"])
def test_evidence_that_is_no_plain_file(kind: str, stranger: Stranger, forge: Forge) -> None:
    path = forge.folder / "x.lumen.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(forge.path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        Path(os.fsdecode(os.fsencode(forge.folder) + b"/\xff\x1b[2J.lumen.json")).write_bytes(b"[" * 100)
    code, told, _ = stranger.run(str(forge.folder), "--root", forge.root.fingerprint)
    assert code == 1
    assert "INVALID (evidence_" in told
    assert "VALID (file_extra)" in told
    assert "\x1b" not in told


def words(forge: Forge, scratch: Path) -> dict[str, Sequence[str]]:
    """Wrong usage: each ends with exit code 2 and one line of what is wrong."""
    file, root = str(forge.path), ["--root", forge.root.fingerprint]
    (scratch / "nothing").mkdir()
    (scratch / "deep").write_bytes(b"[" * 100_000)
    (scratch / "twice").write_bytes(b'{"threshold": 1, "threshold": 1}')
    (scratch / "bytes").write_bytes(b"\xff\x00")
    return {
        "nothing": [],
        "no such file": ["none", *root],
        "a name that is too long": ["x" * 5000, *root],
        "a folder without evidence": [str(scratch / "nothing"), *root],
        "an artifact without evidence": [
            *("--tlog", "http://127.0.0.1:1", "--index", "0"),
            *("--artifact", str(scratch / "nothing"), *root),
        ],
        "a fingerprint that is none": [file, "--root", "ab" * 31],
        "a fingerprint of other digits": [file, "--root", "٣" * 64],
        "no such policy": [file, *root, "--policy", "lax"],
        "a policy without end": [file, *root, "--policy", "/dev/zero"],
        "a policy nested too deeply": [file, *root, "--policy", str(scratch / "deep")],
        "a policy with a key twice": [file, *root, "--policy", str(scratch / "twice")],
        "a policy of bytes": [file, *root, "--policy", str(scratch / "bytes")],
        "a trust file without end": [file, *root, "--trust", "/dev/zero"],
        "a trust file nested too deeply": [file, *root, "--trust", str(scratch / "deep")],
        "a list without end": [file, *root, "--crl", "/dev/zero"],
        "a list that is a folder": [file, *root, "--crl", str(scratch)],
        "no keys at all": [file, *root, "--threshold", "0"],
        "a number that is none": [file, *root, "--threshold", "9" * 5000],
        "offline, and a log": [file, *root, "--offline", "--tlog", "http://127.0.0.1:1"],
        "a log in a file": [file, *root, "--tlog", "file:///etc"],
        "an entry of no log": ["--index", "0", *root],
        "an entry before the first": ["--index", "-1", "--tlog", "http://127.0.0.1:1", *root],
    }


def test_wrong_usage(forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, line in words(forge, tmp_path).items():
        with pytest.raises(SystemExit) as end:
            verify_lumen.main(list(line))
        told = capsys.readouterr()
        assert (end.value.code, told.out) == (2, ""), name
        assert "error: " in told.err.splitlines()[-1], name


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "http://:x", "https://a b", "http://\udcff", "http://127.0.0.1:0"]
)
def test_an_address_that_is_none(url: str, forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    log = ["--tlog", url, "--root", forge.root.fingerprint, "--json"]
    assert verify_lumen.main([str(forge.path), *log]) == 1
    assert verify_lumen.main(["--index", "0", *log]) == 1
    assert "log_unreachable" in capsys.readouterr().out
