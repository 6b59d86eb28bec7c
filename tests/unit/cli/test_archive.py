"""`lumen archive verify`: from the archive's copy and the pins alone, naming each fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Command

DAY = "2026-01-31"


def test_a_snapshot_that_holds(lumen: Command, full: Path) -> None:
    answer = lumen("archive", "verify", DAY, "--json")
    manifest = json.loads((full / "archive" / DAY / "snapshot.manifest.json").read_text())
    assert answer.code == 0
    assert answer.json == {
        "ok": True,
        "day": DAY,
        "revision": 1,
        "root": manifest["merkle_root"],
        "faults": [],
        "signed_by": ["ap-northeast-2"],
    }
    assert manifest["merkle_root"] in lumen("archive", "verify", DAY).out


def test_neither_the_store_nor_a_private_key_is_needed(lumen: Command, full: Path) -> None:
    (full / "lumen.db").unlink()
    (full / "keys" / "ap-northeast-2.pem").unlink()
    before = sorted(full.rglob("*"))
    assert lumen("archive", "list").out == f"snapshot\n{DAY}\n"
    assert lumen("archive", "verify", DAY, "--require", "ap-northeast-2").code == 0
    assert sorted(full.rglob("*")) == before


def test_people_are_told_what_no_signature_covers(lumen: Command, full: Path) -> None:
    assert "runs/ tells who built it, and is covered by no signature" in lumen("archive", "verify", DAY).out


@pytest.mark.parametrize("word", ["today", "yesterday"])
def test_a_day_may_be_named_by_a_word(lumen: Command, home: Path, word: str) -> None:
    assert lumen("daily", "--day", word).code == 0
    answer = lumen("archive", "verify", word, "--json")
    assert (answer.code, answer.json["ok"]) == (0, True)
    assert [path.name for path in (home / "archive").iterdir() if path.is_dir()] == [answer.json["day"]]


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def swap_keys(home: Path) -> None:
    (home / "keys" / "ap-northeast-2.pin").write_text("0" * 64 + "\n")


METRICS = "files/loops/main/logs/metrics.csv"

TAMPERED: list[tuple[str, Callable[[Path, Path], object], str, str]] = [
    ("file", lambda _, day: append(day / METRICS), METRICS, "size_mismatch"),
    ("missing file", lambda _, day: (day / METRICS).unlink(), METRICS, "file_missing"),
    ("extra file", lambda _, day: (day / "files" / "more").touch(), "files/more", "file_extra"),
    ("truncated bundle", lambda _, day: truncate(day / "bundle.tar.gz"), "bundle.tar.gz", "bundle_truncated"),
    ("missing bundle", lambda _, day: (day / "bundle.tar.gz").unlink(), "bundle.tar.gz", "file_missing"),
    (
        "manifest",
        lambda _, day: append(day / "snapshot.manifest.json"),
        "signatures/ap-northeast-2.sig",
        "signature_invalid",
    ),
    ("signatures", lambda _, day: shutil.rmtree(day / "signatures"), "signatures", "signature_missing"),
    ("wrong key", lambda home, _: swap_keys(home), "signatures/ap-northeast-2.sig", "signer_key_mismatch"),
    ("no pin", lambda home, _: shutil.rmtree(home / "keys"), "signatures/ap-northeast-2.sig", "signer_not_pinned"),
    ("everything", lambda _, day: shutil.rmtree(day), ".", "snapshot_missing"),
]


@pytest.mark.parametrize(("tamper", "path", "reason"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_what_is_wrong_is_named(
    lumen: Command, full: Path, tamper: Callable[[Path, Path], object], path: str, reason: str
) -> None:
    tamper(full, full / "archive" / DAY)
    told, shown = lumen("archive", "verify", DAY, "--json"), lumen("archive", "verify", DAY)
    assert told.code == shown.code == 1
    assert told.json["ok"] is False
    assert {"path": path, "reason": reason} in told.json["faults"]
    assert told.err == shown.err
    assert told.err.count("\n") == 1
    assert path in shown.out
    assert reason in shown.out


def test_the_newest_revision_is_meant_unless_one_is_named(lumen: Command, full: Path) -> None:
    # Folders of others are no revisions.
    (full / "archive" / "lost+found").mkdir()
    shutil.copytree(full / "archive" / DAY, full / "archive" / f"{DAY}.r2")
    assert lumen("archive", "verify", DAY, "--json").json["faults"] == [
        {"path": "snapshot.manifest.json", "reason": "day_mismatch"}
    ]
    assert lumen("archive", "verify", f"{DAY}.r2").code == 1
    assert lumen("archive", "verify", DAY, "--revision", 1).code == 0


def test_a_region_that_must_have_signed(lumen: Command, full: Path) -> None:
    answer = lumen("archive", "verify", DAY, "--require", "us-west-2", "--json")
    assert answer.code == 1
    assert answer.json["faults"] == [{"path": "signatures/us-west-2.sig", "reason": "signature_missing"}]
