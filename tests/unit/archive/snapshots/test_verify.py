"""A good snapshot holds; each way to spoil one is named by its own reason."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.snapshots import Day, MakeDay

from lumen_workers.archive.freeze import FreezeOptions
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.trust import canonical
from lumen_workers.trust.keys import RegionKey
from lumen_workers.trust.signatures import Pinned, sign_bytes

MANIFEST = "snapshot.manifest.json"
SUMS = "SHA256SUMS.txt"
METRICS = "files/loops/main/logs/metrics.csv"
OTHER = "files/loops/main/logs/other.csv"
REPORT = "files/controls/reports/report.md"
SEAL = "files/controls/seal.json"


def flip(path: Path, offset: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if offset is None else offset] ^= 1
    path.write_bytes(data)


def edit_manifest(day: Day, change: Callable[[dict[str, Any]], object], *, signed: bool = True) -> None:
    value = json.loads((day.folder / MANIFEST).read_bytes())
    change(value)
    (day.folder / MANIFEST).write_bytes(canonical.dumps(value) + b"\n")
    if signed:
        day.sign_again()


# ---------------------------------------------------------------- what holds


@pytest.mark.parametrize(
    "options",
    [
        FreezeOptions(),
        FreezeOptions(tar_compression="xz"),
        FreezeOptions(include_plain_copy=False),
        FreezeOptions(make_tarball=False),
    ],
)
def test_good(make_day: MakeDay, options: FreezeOptions) -> None:
    day = make_day(options, revision=3)
    found = day.verify(require=["one", "two"], day=date(2026, 3, 1), revision=3)
    assert found.as_json() == {
        "ok": True,
        "day": "2026-03-01",
        "revision": 3,
        "root": day.snapshot.root,
        "faults": [],
        "signed_by": ["one", "two"],
    }


def test_one_signature_is_enough(day: Day) -> None:
    (day.folder / "signatures" / "two.sig").unlink()
    assert day.verify().signed_by == ("one",)
    assert day.verify().ok


def test_run_manifests_may_lie_beside(day: Day) -> None:
    (day.folder / "runs").mkdir()
    (day.folder / "runs" / "20260301-one-01234567.json").write_text("{}")
    assert day.verify().ok


def test_a_stranger_who_pins_one_region(day: Day) -> None:
    found = day.verify(pinned={"one": day.pinned["one"]})
    assert found.ok
    assert (found.signed_by, found.unpinned) == (("one",), ("two",))


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("path", [METRICS, REPORT, SEAL])
def test_flipped_bit_in_a_file(day: Day, path: str) -> None:
    flip(day.folder / path)
    assert day.faults() == {(path, "digest_mismatch")}


def test_file_cut_and_file_extended(day: Day) -> None:
    os.truncate(day.folder / METRICS, 100)
    with (day.folder / REPORT).open("ab") as stream:
        stream.write(b"x")
    assert day.faults() == {(METRICS, "size_mismatch"), (REPORT, "size_mismatch")}


def test_file_removed(day: Day) -> None:
    (day.folder / METRICS).unlink()
    assert day.faults() == {(METRICS, "file_missing")}


@pytest.mark.parametrize("path", ["files/more.csv", "more.txt", "runs/x.txt", "signatures/x.txt", "files/.hidden"])
def test_file_added(day: Day, path: str) -> None:
    (day.folder / path).parent.mkdir(exist_ok=True)
    (day.folder / path).write_bytes(b"x")
    assert day.faults() == {(path, "file_extra")}


def test_empty_folder_added(day: Day) -> None:
    (day.folder / "files" / "more").mkdir()
    assert day.faults() == {("files/more", "file_extra")}


def test_file_renamed(day: Day) -> None:
    (day.folder / METRICS).rename(day.folder / "files" / "metrics.csv")
    (day.folder / "files/loops/main/logs/renamed").mkdir()
    assert day.faults() == {
        (METRICS, "file_missing"),
        ("files/metrics.csv", "file_extra"),
        ("files/loops/main/logs/renamed", "file_extra"),
    }


def test_two_files_swapped(day: Day) -> None:
    one, other = (day.folder / path for path in (METRICS, OTHER))
    one_data, other_data = one.read_bytes(), other.read_bytes()
    assert len(one_data) == len(other_data)
    one.write_bytes(other_data)
    other.write_bytes(one_data)
    assert day.faults() == {(METRICS, "digest_mismatch"), (OTHER, "digest_mismatch")}


@pytest.mark.parametrize("path", [METRICS, MANIFEST, SUMS, "bundle.tar.gz", "signatures/one.sig"])
def test_link_in_place_of_a_file(day: Day, tmp_path: Path, path: str) -> None:
    (day.folder / path).rename(tmp_path / "moved")
    (day.folder / path).symlink_to(tmp_path / "moved")
    assert (path, "symlink") in day.faults()


def test_link_in_place_of_a_folder(day: Day, tmp_path: Path) -> None:
    (day.folder / "files" / "loops").rename(tmp_path / "moved")
    (day.folder / "files" / "loops").symlink_to(tmp_path / "moved", target_is_directory=True)
    assert day.faults() == {
        ("files/loops", "symlink"),
        (METRICS, "file_missing"),
        (OTHER, "file_missing"),
    }


def test_pipe_in_place_of_a_file_does_not_block(day: Day) -> None:
    (day.folder / METRICS).unlink()
    os.mkfifo(day.folder / METRICS)
    found: list[set[tuple[str, str]]] = []
    thread = threading.Thread(target=lambda: found.append(day.faults()), daemon=True)
    thread.start()
    thread.join(30)
    assert found == [{(METRICS, "not_a_file")}]


def test_folder_in_place_of_a_file(day: Day) -> None:
    (day.folder / METRICS).unlink()
    (day.folder / METRICS).mkdir()
    (day.folder / METRICS / "x").write_text("")
    assert day.faults() == {(METRICS, "not_a_file"), (f"{METRICS}/x", "file_extra")}


def test_every_fault_is_named(day: Day) -> None:
    flip(day.folder / METRICS)
    (day.folder / REPORT).unlink()
    (day.folder / "more").write_text("")
    (day.folder / "signatures" / "two.sig").write_text("{}")
    assert day.faults(require=["three"]) == {
        (METRICS, "digest_mismatch"),
        (REPORT, "file_missing"),
        ("more", "file_extra"),
        ("signatures/two.sig", "signature_malformed"),
        ("signatures/three.sig", "signature_missing"),
    }


def test_names_are_safe_to_print(day: Day) -> None:
    (Path(os.fsdecode(os.fsencode(day.folder) + b"/\x1b[2J\xff"))).write_bytes(b"")
    ((path, reason),) = day.faults()
    assert (path, reason) == ("\\x1b[2J\\udcff", "file_extra")


def test_no_snapshot(tmp_path: Path) -> None:
    found = verify_snapshot(tmp_path / "none", pinned={})
    assert [(fault.path, fault.reason.value) for fault in found.faults] == [(".", "snapshot_missing")]
    (tmp_path / "empty").mkdir()
    found = verify_snapshot(tmp_path / "empty", pinned={})
    assert {(fault.path, fault.reason.value) for fault in found.faults} == {
        (MANIFEST, "file_missing"),
        ("signatures", "signature_missing"),
    }
    assert not found.ok


def test_more_entries_than_any_snapshot_has(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lumen_workers.archive.walk.MAX_ENTRIES", 5)
    assert day.faults() == {(".", "file_extra")}


# ---------------------------------------------------------------- manifest


def test_edited_manifest(day: Day) -> None:
    edit_manifest(day, lambda value: value.update(label="another"), signed=False)
    assert day.faults() == {
        ("signatures/one.sig", "signature_invalid"),
        ("signatures/two.sig", "signature_invalid"),
        (f"{SUMS}:{MANIFEST}", "sums_mismatch"),
    }


def test_edited_manifest_and_sums_that_follow(day: Day) -> None:
    before = day.folder.joinpath(MANIFEST).read_bytes()
    edit_manifest(day, lambda value: value.update(label="another"), signed=False)
    old, new = (hashlib.sha256(data).hexdigest() for data in (before, day.folder.joinpath(MANIFEST).read_bytes()))
    day.folder.joinpath(SUMS).write_text(day.folder.joinpath(SUMS).read_text().replace(old, new))
    assert day.faults() == {("signatures/one.sig", "signature_invalid"), ("signatures/two.sig", "signature_invalid")}


def test_wrong_root_even_if_signed(day: Day) -> None:
    edit_manifest(day, lambda value: value.update(merkle_root="0" * 64))
    assert (MANIFEST, "root_mismatch") in day.faults()
    assert day.verify().root == day.snapshot.root


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"schema_version":true}',
        b'{"schema_version":"1"}',
    ],
)
def test_manifest_that_is_none(day: Day, data: bytes) -> None:
    (day.folder / MANIFEST).write_bytes(data)
    day.sign_again()
    assert day.faults() == {(MANIFEST, "manifest_malformed")}
    assert day.verify().root is None


def test_duplicate_key_even_if_signed(day: Day) -> None:
    data = (day.folder / MANIFEST).read_bytes()
    (day.folder / MANIFEST).write_bytes(data.replace(b'"label":"test"', b'"label":"test","label":"test"'))
    day.sign_again()
    assert day.faults() == {(MANIFEST, "manifest_malformed")}


def test_another_spelling_of_the_same_manifest(day: Day) -> None:
    value = json.loads((day.folder / MANIFEST).read_bytes())
    (day.folder / MANIFEST).write_text(json.dumps(value))
    day.sign_again()
    assert day.faults() == {(MANIFEST, "manifest_malformed")}


def test_version_of_the_future(day: Day) -> None:
    edit_manifest(day, lambda value: value.update(schema_version=2, more={}))
    assert day.faults() == {(MANIFEST, "manifest_version_unknown")}


def test_manifest_too_large(day: Day) -> None:
    (day.folder / MANIFEST).write_bytes(b" " * (16 * 1024**2 + 1))
    assert (MANIFEST, "manifest_malformed") in day.faults()


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(more=1),
        lambda value: value.pop("label"),
        lambda value: value.update(label=1),
        lambda value: value.update(files=[]),
        lambda value: value.update(tar=None, plain_copy=False),
        lambda value: value.update(created_at="2026-03-02T00:05:00+00:00"),
        lambda value: value["files"].reverse(),
        lambda value: value["files"].append(value["files"][-1]),
        lambda value: value["files"][0].update(path="../../etc/passwd"),
        lambda value: value["files"][0].update(path="/etc/passwd"),
        lambda value: value["files"][0].update(path="files/../snapshot.manifest.json"),
        lambda value: value["files"][0].update(size=-1),
        lambda value: value["files"][0].update(size=1.0),
        lambda value: value["files"][0].update(size=True),
        lambda value: value["files"][0].update(size=2**63),
        lambda value: value["files"][0].update(sha256="A" * 64),
        lambda value: value["files"][0].update(sha256="a" * 64 + "\n"),
        lambda value: value["hash"].update(algo="md5"),
        lambda value: value["hash"]["values"].popitem(),
        lambda value: value["hash"]["values"].update({METRICS: "0" * 64}),
        lambda value: value["tar"].update(compression="bz2"),
        lambda value: value["tar"].update(size=value["tar"]["size"] + 10240),
        lambda value: value["tar"].update(size=2**62),
        lambda value: value["tar"].update(name="../bundle.tar.gz"),
        lambda value: value["seal"].update(day="20260301"),
        lambda value: value["seal"].update(day="2026-02-30"),
        lambda value: value["seal"].update(day=None),
        lambda value: value["seal"].update(revision=0),
        lambda value: value["seal"].update(revision="1"),
        lambda value: value["seal"].pop("pipeline"),
    ],
)
def test_manifest_that_does_not_agree_with_itself(day: Day, change: Callable[[dict[str, Any]], object]) -> None:
    edit_manifest(day, change)
    assert day.faults() == {(MANIFEST, "manifest_malformed")}


def test_frozen_seal_is_the_manifests(day: Day) -> None:
    def other_watermark(value: dict[str, Any]) -> None:
        value["seal"]["watermark"] = {}

    edit_manifest(day, other_watermark)
    assert (SEAL, "seal_mismatch") in day.faults()


# ---------------------------------------------------------------- day and revision


def test_another_day_under_this_name(make_day: MakeDay) -> None:
    day = make_day(revision=2)
    assert day.faults(day=date(2026, 3, 2)) == {(MANIFEST, "day_mismatch")}
    assert day.faults(day=date(2026, 3, 1), revision=1) == {(MANIFEST, "day_mismatch")}
    assert day.faults(day=date(2026, 3, 1)) == set()


# ---------------------------------------------------------------- signatures


def test_no_signature(day: Day) -> None:
    shutil.rmtree(day.folder / "signatures")
    assert day.faults() == {("signatures", "signature_missing")}
    (day.folder / "signatures").mkdir()
    assert day.faults() == {("signatures", "signature_missing")}


def test_required_signature_missing(day: Day) -> None:
    (day.folder / "signatures" / "two.sig").unlink()
    assert day.faults(require=["one", "two"]) == {("signatures/two.sig", "signature_missing")}


def test_wrong_key(day: Day) -> None:
    day.sign("two", RegionKey(Ed25519PrivateKey.generate()))
    assert day.faults() == {("signatures/two.sig", "signer_key_mismatch")}


def test_signed_again_by_nobody_known(day: Day) -> None:
    shutil.rmtree(day.folder / "signatures")
    day.sign("mallory", RegionKey(Ed25519PrivateKey.generate()))
    assert day.faults() == {("signatures/mallory.sig", "signer_not_pinned")}
    assert day.verify().signed_by == ()


def test_whole_snapshot_made_anew_by_nobody_known(make_day: MakeDay) -> None:
    day, forged = make_day(), make_day()
    assert forged.pinned != day.pinned
    assert forged.faults(pinned=day.pinned) == {
        ("signatures/one.sig", "signer_key_mismatch"),
        ("signatures/two.sig", "signer_key_mismatch"),
    }


def test_a_rotated_regions_former_key_counts_until_it_is_revoked(day: Day) -> None:
    former = day.keys["one"].fingerprint
    day.keys["one"] = RegionKey(generate_private_key(SECP256R1()))
    present = day.keys["one"].fingerprint
    pinned: dict[str, Pinned] = {"two": day.pinned["two"], "one": (present, former)}
    assert day.verify(pinned=pinned).signed_by == ("one", "two")
    day.sign("one")
    assert day.verify(pinned=pinned, require=["one"]).signed_by == ("one", "two")
    assert day.faults(pinned={**pinned, "one": (former,)}) == {("signatures/one.sig", "signer_key_mismatch")}


def test_nothing_pinned(day: Day) -> None:
    assert day.faults(pinned={}) == {
        ("signatures/one.sig", "signer_not_pinned"),
        ("signatures/two.sig", "signer_not_pinned"),
    }


def test_required_region_without_a_pin(day: Day) -> None:
    assert day.faults(pinned={"one": day.pinned["one"]}, require=["two"]) == {
        ("signatures/two.sig", "signer_not_pinned")
    }


def test_signature_of_another_day(make_day: MakeDay) -> None:
    day, other = make_day(), make_day(day=date(2026, 3, 2))
    other.sign("one", day.keys["one"])
    shutil.copy(other.folder / "signatures" / "one.sig", day.folder / "signatures" / "one.sig")
    assert day.faults() == {("signatures/one.sig", "signature_invalid")}


def test_signature_of_another_region(day: Day) -> None:
    shutil.copy(day.folder / "signatures" / "one.sig", day.folder / "signatures" / "two.sig")
    assert day.faults() == {("signatures/two.sig", "signer_key_mismatch")}
    manifest = (day.folder / MANIFEST).read_bytes()
    (day.folder / "signatures" / "two.sig").write_bytes(sign_bytes(manifest, day.keys["two"], region="one"))
    assert day.faults() == {("signatures/two.sig", "signature_invalid")}


def test_flipped_bit_in_a_signature(day: Day) -> None:
    path = day.folder / "signatures" / "one.sig"
    data = path.read_bytes()
    flip(path, data.index(b"sig_b64") + 20)
    ((where, reason),) = day.faults()
    assert where == "signatures/one.sig"
    assert reason in ("signature_invalid", "signature_malformed")


# ---------------------------------------------------------------- checksums


def test_sums_missing(day: Day) -> None:
    (day.folder / SUMS).unlink()
    assert day.faults() == {(SUMS, "file_missing")}


def test_sums_that_say_another_digest(day: Day) -> None:
    text = (day.folder / SUMS).read_text()
    line = next(line for line in text.splitlines() if line.endswith(METRICS))
    (day.folder / SUMS).write_text(text.replace(line, "0" * 64 + line[64:]))
    assert day.faults() == {(f"{SUMS}:{METRICS}", "sums_mismatch")}


def test_sums_with_a_line_less_and_a_line_more(day: Day) -> None:
    lines = (day.folder / SUMS).read_text().splitlines(keepends=True)
    kept = [line for line in lines if METRICS not in line]
    (day.folder / SUMS).write_text("".join([*kept, "0" * 64 + "  zzz\n"]))
    assert day.faults() == {(f"{SUMS}:{METRICS}", "sums_mismatch"), (f"{SUMS}:zzz", "sums_mismatch")}


@pytest.mark.parametrize("data", [b"nonsense\n", b"\xff", b" " * (4 * 1024**2 + 1)])
def test_sums_that_are_none(day: Day, data: bytes) -> None:
    (day.folder / SUMS).write_bytes(data)
    assert day.faults() == {(SUMS, "sums_malformed")}
