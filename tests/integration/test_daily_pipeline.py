"""The real pipeline on a small day: two regions, an archive that is tampered with, cross-verification."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.contexts import A, B, World
from support.day import DAY, full_day

from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.archive.evidence import verify_day
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.domain.errors import (
    BuildError,
    CheckFailed,
    EnvironmentFault,
    NotFound,
    StoreUnavailable,
    UsageError,
)
from lumen_workers.domain.runs import OwedState, Run, RunStatus
from lumen_workers.engine.flow import CROSS_VERIFY
from lumen_workers.pipelines.crosscheck import cross_verify
from lumen_workers.pipelines.tasks import TASKS
from lumen_workers.trust.evidence.form import parse_evidence
from lumen_workers.trust.evidence.policy import Verdict
from lumen_workers.trust.evidence.report import EvidenceReport
from lumen_workers.trust.keys import RegionKey

KEY = f"daily/{DAY}/r1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    full_day(made.store, events=6)
    yield made
    made.close()


def step(world: World, **changes: Any) -> str | None:
    """Do the oldest message; what came of it, None when there is none."""
    if not world.outbox.sent:
        return None
    message = world.outbox.sent.pop(0)
    return TASKS[message.task].run(world.context(message.region, **changes), message.payload)


def ask(world: World, region: str = A, **changes: Any) -> str:
    return TASKS["lumen.daily"].run(world.context(region, **changes), {"day": DAY.isoformat()})


def run(world: World, region: str = A, *, upto: str | None = None, **changes: Any) -> Run:
    """Ask for the day and do its stages, up to the one before ``upto``; the cross-verification is left undone."""
    run_id = ask(world, region, **changes)
    end = (f"lumen.{CROSS_VERIFY}", f"lumen.daily.{upto}")
    while world.outbox.sent and world.outbox.sent[0].task not in end:
        step(world, **changes)
    return world.store.runs.get(run_id)


def snapshot(world: World) -> Path:
    return world.folder / "archive" / DAY.isoformat()


def test_two_regions_build_the_same_day_and_the_second_verifies_it_from_the_archive(world: World) -> None:
    first = run(world)
    said = step(world)
    second = run(world, B)
    assert said == f"{KEY}: done"
    assert (first.status, second.status) == (RunStatus.DONE, RunStatus.SUPERSEDED)
    assert first.digest == second.digest
    assert [stage.name for stage in first.stages] == ["build", "pdf", "freeze", "sign", "attest", "verify"]
    owed = world.store.owed.rows(CROSS_VERIFY)[0]
    assert (owed.state, owed.done_by, owed.detail) == (OwedState.DONE, B, f"root {first.digest}")
    pins = {region: key.fingerprint for region, key in world.keys.items()}
    assert verify_snapshot(snapshot(world), pinned=pins, require=(A, B)).faults == ()
    assert world.alarms() == set()
    for suffix in ("md", "pdf"):
        assert (snapshot(world) / f"files/controls/reports/report_{DAY}.{suffix}").stat().st_size > 1000


def evidence(world: World, region: str) -> EvidenceReport:
    return verify_day(snapshot(world), region, roots=world.roots(), now=world.store.now(), day=DAY)


def test_each_region_leaves_evidence_that_stands_in_the_log_once(world: World) -> None:
    first = run(world)
    step(world)
    second = run(world, B)
    for region, done in ((A, first), (B, second)):
        report = evidence(world, region)
        assert (report.ok, report.verdict, report.merkle_root) == (True, Verdict.NO_TIME, done.digest), report.checks
        assert (report.signer, report.day, report.development) == (f"urn:lumen:region:{region}", str(DAY), True)
        said = parse_evidence((snapshot(world) / f"{region}.lumen.json").read_bytes()).envelope["payload"]
        statement = json.loads(base64.b64decode(said))
        assert sorted(subject["name"] for subject in statement["subject"]) == [
            "bundle.tar.gz",
            f"files/controls/reports/report_{DAY}.pdf",
            "snapshot.manifest.json",
        ]
        definition = statement["predicate"]["buildDefinition"]
        assert definition["internalParameters"]["trace_id"] == done.trace_id
        names = {item["name"] for item in definition["resolvedDependencies"]}
        assert {"seal", "configuration", "lumen-workers", f"audit:{region}"} <= names
        assert "files/loops/main/logs/metrics.csv" in names
        assert statement["predicate"]["runDetails"]["metadata"]["invocationId"] == done.run_id
    assert [row.position for row in world.store.logs.rows()] == [1, 0]


def test_an_attempt_that_dies_behind_the_log_logs_nothing_twice(world: World) -> None:
    class Gone(LocalRemote):
        def attach(self, name: str, relative: str, data: bytes) -> bool:
            raise StoreUnavailable("cut off")

    run(world, upto="attest")
    [message] = world.outbox.sent
    with pytest.raises(StoreUnavailable):
        step(world, remote=Gone(world.folder / "archive"))
    [row] = world.store.logs.rows()
    world.outbox.sent.append(message)
    while world.outbox.sent:
        step(world)
    assert world.store.logs.rows() == [row]
    assert evidence(world, A).ok


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_evidence_that_does_not_hold_fails_the_run(world: World, harm: str) -> None:
    run(world, upto="verify")
    path = snapshot(world) / f"{A}.lumen.json"
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b'"payload": "', b'"payload": "ey', 1))
    with pytest.raises(CheckFailed, match=rf"{A}\.lumen\.json: {'evidence_missing' if harm == 'gone' else '[a-z_]+'}"):
        step(world)
    assert world.store.runs.results("daily") == []


def test_evidence_that_was_changed_later_fails_the_cross_verification(world: World) -> None:
    made = run(world)
    (snapshot(world) / f"{A}.lumen.json").write_bytes(b"{}")
    assert step(world) == f"{KEY}: failed"
    [alarm] = world.store.notices.alarms()
    assert (alarm.kind, alarm.trace_id, alarm.facts["run_id"]) == ("cross_verify_failed", made.trace_id, made.run_id)


def test_a_log_that_refuses_fails_the_run_and_pages(world: World) -> None:
    run(world)
    step(world)
    shutil.rmtree(world.folder / "trusted" / "log")
    run(world, B, upto="attest")
    with pytest.raises(CheckFailed, match="lost what was signed"):
        step(world)
    assert {"log_refuses", "run_failed"} <= world.alarms()


def test_a_signer_that_answers_wrong_is_no_log_that_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> bytes:
        raise CheckFailed("the signer's answer does not verify")

    run(world, upto="attest")
    monkeypatch.setattr(RegionKey, "sign", wrong)
    with pytest.raises(CheckFailed, match="does not verify"):
        step(world)
    assert world.alarms() == {"run_failed"}


def test_a_file_that_is_tampered_with_between_freeze_and_verify_fails_the_run(world: World) -> None:
    run(world, upto="verify")
    metrics = snapshot(world) / "files/loops/main/logs/metrics.csv"
    data = metrics.read_bytes()
    metrics.write_bytes(data.replace(b"0.04", b"0.01", 1))
    with pytest.raises(CheckFailed, match=r"metrics\.csv"):
        step(world)
    assert world.store.runs.rows()[0].status is RunStatus.FAILED
    assert world.store.runs.results("daily") == []
    assert world.alarms() == {"run_failed"}


def test_once_the_damaged_copy_is_gone_the_day_can_be_asked_for_again(world: World) -> None:
    run(world, upto="verify")
    (snapshot(world) / "SHA256SUMS.txt").write_text("")
    with pytest.raises(CheckFailed):
        step(world)
    shutil.rmtree(snapshot(world))
    again = run(world)
    assert (again.status, again.attempt, again.revision) == (RunStatus.DONE, 2, 1)


def test_an_archive_that_holds_something_else_under_the_name_is_not_overwritten(world: World) -> None:
    run(world, upto="freeze")
    snapshot(world).mkdir(parents=True)
    (snapshot(world) / "snapshot.manifest.json").write_text("{}")
    with pytest.raises(BuildError, match="another 2026-01-31"):
        step(world)
    assert (snapshot(world) / "snapshot.manifest.json").read_text() == "{}"


def test_a_key_that_is_not_the_pinned_one_does_not_verify(world: World) -> None:
    pins = {A: world.keys[B].fingerprint, B: world.keys[B].fingerprint}
    run(world, upto="verify", pins=lambda: pins)
    with pytest.raises(CheckFailed, match="signatures/"):
        step(world, pins=lambda: pins)


def test_a_copy_that_was_changed_later_fails_the_cross_verification_with_an_alarm(world: World) -> None:
    run(world)
    (snapshot(world) / f"files/controls/reports/report_{DAY}.pdf").write_bytes(b"%PDF-1.4 other")
    assert step(world) == f"{KEY}: failed"
    assert world.alarms() == {"cross_verify_failed"}
    assert world.store.owed.rows(CROSS_VERIFY)[0].state is OwedState.FAILED
    assert world.store.runs.rows()[0].status is RunStatus.DONE, "it never blocks the day"


def test_a_copy_that_is_gone_fails_the_cross_verification(world: World) -> None:
    run(world)
    shutil.rmtree(snapshot(world))
    assert step(world) == f"{KEY}: failed"
    assert "has no 2026-01-31" in str(world.store.owed.rows(CROSS_VERIFY)[0].detail)


def test_a_whole_other_snapshot_signed_by_the_winner_is_not_the_result(world: World, tmp_path: Path) -> None:
    """Everything in it holds, only it is not what won."""
    run(world)
    other = World(tmp_path / "other")
    other.keys = world.keys
    full_day(other.store, events=7)
    run(other)
    shutil.rmtree(snapshot(world))
    shutil.copytree(snapshot(other), snapshot(world))
    assert step(world) == f"{KEY}: failed"
    assert "the result says" in str(world.store.owed.rows(CROSS_VERIFY)[0].detail)
    other.close()


def test_an_archive_that_cannot_be_reached_leaves_the_row_owed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world)

    def unreachable(*_: object) -> Path:
        raise EnvironmentFault("no such mount")

    with monkeypatch.context() as patch:
        patch.setattr(world.remote, "fetch", unreachable)
        with pytest.raises(EnvironmentFault):
            step(world)
    assert world.store.owed.rows(CROSS_VERIFY)[0].state is OwedState.DUE
    assert cross_verify(world.context(B), KEY) == f"{KEY}: done"


def test_the_alarm_of_a_failed_cross_verification_comes_before_its_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world)
    shutil.rmtree(snapshot(world))

    def killed(*_: object, **__: object) -> bool:
        raise SystemExit(1)

    monkeypatch.setattr(world.store.owed, "settle", killed)
    with pytest.raises(SystemExit):
        step(world)
    assert world.alarms() == {"cross_verify_failed"}


def test_the_winner_does_not_cross_verify_itself_and_nobody_what_is_not_owed(world: World) -> None:
    run(world)
    with pytest.raises(UsageError, match="another region"):
        cross_verify(world.context(A), KEY)
    with pytest.raises(NotFound):
        cross_verify(world.context(B), "daily/2026-01-30/r1")
    assert cross_verify(world.context(B), KEY) == f"{KEY}: done"
    assert cross_verify(world.context(B), KEY) == f"{KEY}: done already"


def test_a_crash_after_publishing_is_no_conflict_with_oneself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, upto="freeze")

    def killed(*_: object) -> None:
        raise SystemExit(1)

    message = world.outbox.sent[0]
    with monkeypatch.context() as patch:
        patch.setattr(world.store.runs, "stage_ended", killed)
        with pytest.raises(SystemExit):
            step(world)
    shutil.rmtree(world.folder / A / "work")
    world.outbox.sent.append(message)
    while world.outbox.sent and world.outbox.sent[0].task != f"lumen.{CROSS_VERIFY}":
        step(world)
    assert world.store.runs.rows()[0].status is RunStatus.DONE


def test_a_korean_day_is_korean(world: World) -> None:
    done = run(world, locale="ko")
    text = (snapshot(world) / f"files/controls/reports/report_{DAY}.md").read_text(encoding="utf-8")
    assert done.status is RunStatus.DONE
    assert any("가" <= letter <= "힣" for letter in text)


def sha256_of(world: World, name: str) -> str:
    return hashlib.sha256((snapshot(world) / name).read_bytes()).hexdigest()


def test_the_index_names_every_result_and_the_run_manifest_who_made_it(world: World) -> None:
    first = run(world)
    step(world)
    second = run(world, B)
    lines = [json.loads(line) for line in (world.folder / "archive" / "index.jsonl").read_text().splitlines()]
    assert len(lines) == 1
    assert lines[0].pop("ts").endswith("+00:00")
    assert lines[0] == {
        "day": DAY.isoformat(),
        "revision": 1,
        "snapshot": DAY.isoformat(),
        "hash": first.digest,
        "run_id": first.run_id,
        "region": A,
    }
    for made, region in ((first, A), (second, B)):
        manifest = json.loads((snapshot(world) / "runs" / f"{made.run_id}.json").read_text())
        assert manifest["trace_id"] == made.trace_id
        assert (manifest["region"], manifest["attempt"], manifest["revision"]) == (region, 1, 1)
        outputs = {name: manifest["outputs"][name] for name in ("root", "snapshot")}
        assert outputs == {"root": first.digest, "snapshot": DAY.isoformat()}
        files = {item["name"]: item["digest"]["sha256"] for item in manifest["outputs"]["files"]}
        names = {"snapshot.manifest.json", "bundle.tar.gz", f"files/controls/reports/report_{DAY}.pdf"}
        assert files == {name: sha256_of(world, name) for name in names}
        inputs = {item["name"]: item["digest"]["sha256"] for item in manifest["inputs"]["materials"]}
        exported = [path for path in snapshot(world).glob("files/loops/**/*") if path.is_file()]
        names = {path.relative_to(snapshot(world)).as_posix() for path in exported}
        assert {name: inputs[name] for name in inputs if "/" in name} == {
            name: sha256_of(world, name) for name in names
        }
        assert inputs.keys() >= {"seal", "configuration", f"audit:{A}"}
        assert set(manifest["git"]) == {"sha", "branch"}
        assert manifest["key_fingerprint"] == world.keys[region].fingerprint
        assert manifest["inputs"]["seal"] == world.store.runs.seals("daily", DAY)[0].digest()


def test_an_index_that_cannot_be_written_costs_nothing_and_the_next_election_mends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise EnvironmentFault("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(world.remote, "note", refuse)
        assert run(world).status is RunStatus.DONE
    assert not (world.folder / "archive" / "index.jsonl").exists()
    step(world)
    run(world, B)
    assert (world.folder / "archive" / "index.jsonl").read_text().count("\n") == 1
