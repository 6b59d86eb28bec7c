"""A day's folder as its evidence sees it, and the chain of days."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.evidence import NOW, ROOT, Forge, statement
from support.snapshots import DAY, Day, MakeDay, make_files, make_seal

from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.archive.chain import DayFound, walk_days
from lumen_workers.archive.evidence import evidence_in, read_evidence, verify_day
from lumen_workers.archive.freeze import FreezeOptions, freeze
from lumen_workers.archive.layout import MANIFEST, snapshot_name
from lumen_workers.trust import canonical
from lumen_workers.trust.evidence.report import EvidenceReport

METRICS = "files/loops/main/logs/metrics.csv"
ROOTS = (ROOT.fingerprint,)


def attest(folder: Path, region: str = "us-west-2", **said: Any) -> None:
    """Leave evidence of the manifest as it is now."""
    manifest = (folder / MANIFEST).read_bytes()
    seal = json.loads(manifest)["seal"]
    external = {"pipeline": "daily", "day": seal["day"], "revision": seal["revision"], **said}
    made = statement([(MANIFEST, manifest)], build_type="lumen/daily-report@v1", external=external)
    (folder / f"{region}.lumen.json").write_bytes(Forge(payload=made.dump()).dump())


def verify(folder: Path, day: date | None = DAY) -> EvidenceReport:
    return verify_day(folder, "us-west-2", roots=ROOTS, now=NOW, day=day)


# ---------------------------------------------------------------- one day


@pytest.mark.parametrize(
    "options", [FreezeOptions(), FreezeOptions(include_plain_copy=False), FreezeOptions(make_tarball=False)]
)
def test_a_day_that_is_whole(make_day: MakeDay, options: FreezeOptions) -> None:
    day = make_day(options)
    attest(day.folder)
    report = verify(day.folder)
    assert (report.ok, report.day, report.merkle_root) == (True, DAY.isoformat(), day.snapshot.root)
    assert verify(day.folder, None).ok


def test_evidence_of_another_region_is_not_looked_at_for_this_one(day: Day) -> None:
    attest(day.folder, "eu-north-1")
    assert evidence_in(day.folder) == ["eu-north-1.lumen.json"]
    assert verify(day.folder).reason == "evidence_missing"


def harm_metrics(folder: Path) -> None:
    (folder / METRICS).write_bytes(b"ts\n")


def link_metrics(folder: Path) -> None:
    (folder / METRICS).rename(folder.parent / "elsewhere.csv")
    (folder / METRICS).symlink_to(folder.parent / "elsewhere.csv")


def harm_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b"\n")


HARMS: dict[str, Callable[[Path], Any]] = {
    "file_digest_mismatch": harm_metrics,
    "file_missing": lambda folder: (folder / METRICS).unlink(),
    "file_not_plain": link_metrics,
    "file_extra": lambda folder: (folder / "files/more.csv").write_bytes(b""),
    "subject_digest_mismatch": harm_manifest,
    "subject_missing": lambda folder: (folder / MANIFEST).unlink(),
    "evidence_missing": lambda folder: (folder / "us-west-2.lumen.json").unlink(),
}


@pytest.mark.parametrize("reason", HARMS)
def test_a_day_that_is_not(day: Day, reason: str) -> None:
    attest(day.folder)
    HARMS[reason](day.folder)
    report = verify(day.folder)
    assert (report.reason, report.merkle_root) == (reason, None)


def test_a_folder_in_a_file_s_place_and_one_more(day: Day) -> None:
    attest(day.folder)
    (day.folder / "files/empty").mkdir()
    assert verify(day.folder).reason == "file_extra"
    (day.folder / "files/empty").rmdir()
    (day.folder / METRICS).unlink()
    (day.folder / METRICS).mkdir()
    assert verify(day.folder).reason == "file_not_plain"


@pytest.mark.parametrize("name", ["notes.txt", "runs/x.txt", "signatures/one", ".hidden", "eu north.lumen.json"])
def test_what_may_not_lie_beside_it(day: Day, name: str) -> None:
    attest(day.folder)
    (day.folder / name).parent.mkdir(exist_ok=True)
    (day.folder / name).write_bytes(b"")
    assert verify(day.folder).reason == "file_extra"


def test_signatures_run_manifests_and_others_evidence_may(day: Day) -> None:
    attest(day.folder)
    attest(day.folder, "eu-north-1")
    (day.folder / "runs").mkdir()
    (day.folder / "runs/20260301-us-west-2-01234567.json").write_bytes(b"{}")
    assert verify(day.folder).ok


def test_a_bundle_that_the_manifest_does_not_name(make_day: MakeDay) -> None:
    for options, name in ((FreezeOptions(make_tarball=False), "gz"), (FreezeOptions(), "xz")):
        day = make_day(options)
        attest(day.folder)
        (day.folder / f"bundle.tar.{name}").write_bytes(b"")
        assert verify(day.folder).reason == "file_extra"


@pytest.mark.parametrize("said", [{"day": "2026-03-02"}, {"revision": 2}, {"revision": "1"}, {"day": None}])
def test_a_statement_of_another_day_than_its_manifest(day: Day, said: dict[str, Any]) -> None:
    attest(day.folder, **said)
    assert verify(day.folder, None).reason == "day_mismatch"


def test_the_day_that_was_asked_for(day: Day) -> None:
    attest(day.folder)
    assert verify(day.folder, DAY + timedelta(days=1)).reason == "day_mismatch"


@pytest.mark.parametrize("root", ["0" * 64, "x"])
def test_a_manifest_that_does_not_fit_its_own_list(day: Day, root: str) -> None:
    value = json.loads((day.folder / MANIFEST).read_bytes())
    value["merkle_root"] = root
    (day.folder / MANIFEST).write_bytes(canonical.dumps(value) + b"\n")
    attest(day.folder)
    assert verify(day.folder).reason == ("manifest_malformed" if root == "x" else "merkle_root_mismatch")


def test_evidence_of_something_in_the_folder_is_none_of_the_folder(day: Day) -> None:
    """Somebody signed one report; put beside a day that was changed, that says nothing about the day."""
    harm_metrics(day.folder)
    report = "files/controls/reports/report.md"
    made = statement([(report, (day.folder / report).read_bytes())], external={"day": DAY.isoformat()})
    (day.folder / "us-west-2.lumen.json").write_bytes(Forge(payload=made.dump()).dump())
    assert verify(day.folder, None).reason == "file_not_attested"
    assert verify(day.folder).reason == "file_not_attested"


def test_evidence_is_read_from_a_plain_file_only(tmp_path: Path) -> None:
    path = tmp_path / "x.lumen.json"
    assert read_evidence(path) is None
    path.write_bytes(b"{}")
    assert read_evidence(path) == b"{}"
    (tmp_path / "y.lumen.json").symlink_to(path)
    assert read_evidence(tmp_path / "y.lumen.json") is None
    assert read_evidence(tmp_path) is None
    path.write_bytes(b" " * (5 * 1024**2))
    assert len(read_evidence(path) or b"") == 4 * 1024**2 + 1


# ---------------------------------------------------------------- the chain


class Days:
    """An archive of days, each of which names the one before."""

    def __init__(self, folder: Path) -> None:
        self.remote = LocalRemote(folder / "archive")
        self.folder = folder
        self.roots: dict[str, str] = {}

    def add(self, number: int, previous: str | None, *, revision: int = 1) -> str:
        """A day; returns its root."""
        day = DAY + timedelta(days=number)
        name = snapshot_name(day, revision)
        seal = replace(make_seal(day, revision), prev_digest=previous)
        files = make_files(self.folder / f"files-{name}", seal)
        made = self.folder / "archive" / name
        frozen = freeze(files, made, seal=seal, label="test", sources=["logs/*.csv"])
        attest(made)
        self.roots[name] = frozen.root
        return frozen.root

    def place(self, number: int) -> Path:
        return self.folder / "archive" / snapshot_name(DAY + timedelta(days=number), 1)

    def walk(self, since: int = 0) -> list[DayFound]:
        return list(walk_days(self.remote, DAY + timedelta(days=since), roots=ROOTS, now=NOW))

    def reasons(self, since: int = 0) -> list[str]:
        return [found.reason for found in self.walk(since)]


@pytest.fixture
def days(tmp_path: Path) -> Days:
    made = Days(tmp_path)
    previous = None
    for number in range(4):
        previous = made.add(number, previous)
    return made


def test_a_chain_that_holds(days: Days) -> None:
    found = days.walk()
    assert [(item.ok, item.verdict, item.root) for item in found] == [
        (True, "VALID", root) for root in days.roots.values()
    ]
    assert [item.previous for item in found[1:]] == [item.root for item in found[:-1]]
    assert json.loads(json.dumps([item.as_json() for item in found]))[0]["snapshot"] == DAY.isoformat()
    assert len(days.walk(2)) == 2
    assert days.walk(9) == []


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_a_day_that_is_gone_leaves_one_gap(days: Days) -> None:
    remove(days.place(1))
    assert days.reasons() == ["", "chain_gap", ""]


def test_a_day_that_was_changed_breaks_the_chain_behind_it(days: Days) -> None:
    harm_metrics(days.place(1))
    assert days.reasons() == ["", "file_digest_mismatch", "chain_broken", ""]


def test_a_day_without_evidence(days: Days) -> None:
    (days.place(1) / "us-west-2.lumen.json").unlink()
    assert days.reasons() == ["", "evidence_missing", "chain_broken", ""]


def test_another_day_in_a_day_s_place_breaks_the_chain_once(tmp_path: Path) -> None:
    days = Days(tmp_path)
    first = days.add(0, None)
    days.add(1, "ab" * 32)
    days.add(2, days.roots[snapshot_name(DAY + timedelta(days=1), 1)])
    assert days.reasons() == ["", "chain_broken", ""]
    assert first


def test_a_day_that_names_none_though_there_is_one(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.add(0, None)
    days.add(1, None)
    assert days.reasons() == ["", "chain_unlinked"]


def test_any_revision_of_the_day_before_may_be_named(tmp_path: Path) -> None:
    days = Days(tmp_path)
    first = days.add(0, None)
    second = days.add(0, None, revision=2)
    days.add(1, first)
    days.add(1, second, revision=2)
    found = days.walk()
    assert [(item.revision, item.reason) for item in found] == [(1, ""), (2, ""), (1, ""), (2, "")]


def test_one_region_s_evidence_that_fails_counts_before_another_s_that_holds(days: Days) -> None:
    place = days.place(2)
    attest(place, "eu-north-1")
    assert days.reasons() == [""] * 4
    (place / "eu-north-1.lumen.json").write_bytes(b"{}")
    assert days.reasons() == ["", "", "evidence_malformed", "chain_broken"]


def test_a_snapshot_under_another_day_s_name(days: Days) -> None:
    remove(days.place(3))
    days.place(2).rename(days.place(3))
    assert days.reasons() == ["", "", "day_mismatch"]


def test_folders_of_somebody_else_s_are_left_alone(days: Days) -> None:
    (days.folder / "archive" / "notes").mkdir()
    assert days.reasons() == [""] * 4
