"""`lumen attest` and `lumen verify`, on files, on a day, and on the archive's days."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.day import DAY

from lumen_workers.trust.evidence.form import parse_evidence
from lumen_workers.trust.evidence.report import CHECKS
from lumen_workers.trust.pki.trust_file import parse_trust_file
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import CHECKPOINT

from .conftest import Command


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "report.txt"
    path.parent.mkdir()
    path.write_bytes(b"report\n")
    return path


def evidence_of(path: Path) -> Path:
    return path.with_name(path.name + ".lumen.json")


@pytest.fixture
def attested(lumen: Command, report: Path) -> Path:
    assert lumen("attest", report).code == 0
    return report


def statement(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(base64.b64decode(json.loads(path.read_bytes())["envelope"]["payload"]))
    return said


def subjects(path: Path) -> list[str]:
    return [item["name"] for item in statement(path)["subject"]]


# ---------------------------------------------------------------- attest


def test_first_use_makes_what_it_needs_and_says_how_to_verify(lumen: Command, report: Path, home: Path) -> None:
    answer = lumen("attest", report)
    assert answer.code == 0
    path = evidence_of(report)
    assert str(path) in answer.out
    root = answer.out.split("--root ")[1].split()[0]
    assert lumen("verify", path, "--root", root, "--offline").code == 0
    assert parse_evidence(path.read_bytes()).trust_file == parse_trust_file((home / "trust/trust.json").read_bytes())
    assert subjects(path) == ["report.txt"]
    [code] = statement(path)["predicate"]["buildDefinition"]["resolvedDependencies"]
    internal = statement(path)["predicate"]["buildDefinition"]["internalParameters"]
    assert code == {"name": "lumen-workers", "digest": {"sha256": internal["code_version"]}}


def test_each_file_gets_its_own_and_each_stands_in_the_log_once(lumen: Command, report: Path, home: Path) -> None:
    other = report.with_name("other.txt")
    other.write_bytes(b"x")
    rows = lumen("attest", report, other, "--json").json
    assert [row["index"] for row in rows] == [0, 1]
    assert [row["evidence"] for row in rows] == [str(evidence_of(report)), str(evidence_of(other))]
    for row in rows:
        envelope = parse_evidence(Path(row["evidence"]).read_bytes()).envelope_bytes
        assert row["envelope_sha256"] == hashlib.sha256(envelope).hexdigest()
        entry = json.loads(LogFolder(home / "log").entry(row["index"], 2))
        assert entry["envelope_sha256"] == row["envelope_sha256"]


def test_one_evidence_file_for_all(lumen: Command, report: Path, tmp_path: Path) -> None:
    deep = report.parent / "in" / "data.csv"
    deep.parent.mkdir()
    deep.write_bytes(b"1\n")
    output = report.parent / "all.lumen.json"
    assert lumen("attest", report, deep, "--output", output).code == 0
    assert subjects(output) == ["report.txt", "in/data.csv"]
    assert lumen("verify", output).code == 0
    assert lumen("verify", deep, output).code == 0
    deep.write_bytes(b"2\n")
    assert lumen("verify", report, output).code == 0
    assert lumen("verify", deep, output).code == 1
    assert lumen("verify", output).code == 1


def test_what_cannot_be_attested(lumen: Command, report: Path, tmp_path: Path) -> None:
    (report.parent / "link").symlink_to(report)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (
        [report.parent / "nothing"],
        [report.parent],
        [report.parent / "link"],
        [report, report],
        [report, "--output", elsewhere / "x.lumen.json"],
    ):
        answer = lumen("attest", *words)
        assert answer.code == 2, words
        assert len(answer.err.strip().splitlines()) == 1
    assert list(tmp_path.rglob("*.lumen.json")) == []


def test_evidence_that_is_there_is_replaced_only_when_that_is_meant(lumen: Command, attested: Path) -> None:
    before = evidence_of(attested).read_bytes()
    answer = lumen("attest", attested)
    assert (answer.code, "--force" in answer.err) == (2, True)
    assert evidence_of(attested).read_bytes() == before
    assert lumen("attest", attested, "--force").code == 0
    assert evidence_of(attested).read_bytes() != before


# ---------------------------------------------------------------- the parts, for other people's tools


@pytest.fixture
def parts(lumen: Command, report: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    assert lumen("attest", report, "--split", folder).code == 0
    return folder


def test_the_parts_are_those_of_the_file(parts: Path, report: Path) -> None:
    evidence = parse_evidence(evidence_of(report).read_bytes())
    assert sorted(path.name for path in parts.iterdir()) == [
        "README.txt",
        "report.txt.chain.pem",
        "report.txt.crl.der",
        "report.txt.entry.json",
        "report.txt.intoto.json",
        "report.txt.root.pem",
        "report.txt.tlog-proof",
        "report.txt.trust.intoto.json",
    ]
    envelope = (parts / "report.txt.intoto.json").read_bytes()
    entry = (parts / "report.txt.entry.json").read_bytes()
    assert json.loads(entry)["envelope_sha256"] == hashlib.sha256(envelope).hexdigest()
    assert json.loads(envelope) == evidence.envelope
    assert (parts / "report.txt.tlog-proof").read_text() == evidence.proof
    assert (parts / "report.txt.crl.der").read_bytes() == evidence.trust_file.crl


def script(parts: Path) -> subprocess.CompletedProcess[str]:
    """Do what the README says."""
    text = (parts / "README.txt").read_text()
    commands = "set -e\n" + text[text.index("name=") :]
    return subprocess.run(["sh", "-c", commands], cwd=parts, capture_output=True, text=True, check=False)


def test_the_commands_of_the_readme_hold(parts: Path) -> None:
    done = script(parts)
    assert done.returncode == 0, done.stderr
    assert "report.txt.chain.pem: OK" in done.stdout
    assert "Signature Verified Successfully" in done.stdout
    statement = json.loads((parts / "report.txt.statement.json").read_bytes())
    assert statement["subject"][0]["name"] == "report.txt"
    envelope = parts / "report.txt.intoto.json"
    envelope.write_text(envelope.read_text().replace('"payload":"e', '"payload":"f'))
    assert script(parts).returncode != 0


def test_any_name_is_safe_in_a_shell(lumen: Command, tmp_path: Path) -> None:
    path = tmp_path / "it's $(touch harm) `x` {0}.txt"
    path.write_bytes(b"x")
    assert lumen("attest", path, "--split", tmp_path / "parts").code == 0
    done = script(tmp_path / "parts")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "parts" / "harm").exists()


def test_two_files_of_one_name_are_not_split_into_one_folder(lumen: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_bytes(name.encode())
    answer = lumen("attest", tmp_path / "a/x.txt", tmp_path / "b/x.txt", "--split", tmp_path / "parts")
    assert (answer.code, (tmp_path / "parts").exists()) == (2, False)


# ---------------------------------------------------------------- verify


def verified(lumen: Command, *words: object) -> dict[str, Any]:
    answer = lumen("verify", *words, "--json")
    value: dict[str, Any] = answer.json
    assert answer.code == (0 if value["ok"] else 1)
    assert [check["name"] for check in value["checks"]] == list(CHECKS)
    return value


def test_people_are_told_check_by_check(lumen: Command, attested: Path) -> None:
    answer = lumen("verify", attested)
    assert answer.code == 0
    assert all(name in answer.out for name in CHECKS)
    last = answer.out.strip().splitlines()[-1]
    assert "NO_TIME" in last
    assert "urn:lumen:region:" in last
    assert "development root" in last


def test_programs_are_told_the_same(lumen: Command, attested: Path) -> None:
    value = verified(lumen, attested)
    assert (value["ok"], value["verdict"], value["reason"], value["development"]) == (True, "NO_TIME", "", True)
    assert verified(lumen, evidence_of(attested))["ok"]
    assert verified(lumen, attested, "--policy", "strict")["reason"] == "quorum_required"


def test_a_changed_file_is_told(lumen: Command, attested: Path) -> None:
    attested.write_bytes(b"Report\n")
    answer = lumen("verify", attested)
    assert (answer.code, "subject_digest_mismatch" in answer.err) == (1, True)
    assert verified(lumen, evidence_of(attested))["reason"] == "subject_digest_mismatch"
    moved = attested.with_name("moved.txt")
    attested.rename(moved)
    assert verified(lumen, moved, evidence_of(attested))["reason"] == "file_not_attested"
    assert verified(lumen, evidence_of(attested))["reason"] == "subject_missing"


def test_a_file_without_evidence(lumen: Command, report: Path, attested: Path) -> None:
    evidence_of(attested).unlink()
    assert verified(lumen, attested)["reason"] == "evidence_missing"


def test_wrong_usage(lumen: Command, attested: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text('{"treshold": 2}')
    for words in (
        [],
        [attested, "--since", "2026-01-01"],
        [attested.with_name("nothing")],
        [attested, attested.with_name("nothing")],
        [attested.parent / ".."],
        [attested, "--root", "abc"],
        [attested, "--day", "yesterday"],
        [attested, "--policy", "lax"],
        [attested, "--policy", tmp_path / "policy.json"],
        [attested, "--trust", tmp_path / "nothing"],
        [attested, "--trust", attested],
        [attested, "--crl", tmp_path / "nothing"],
        [attested, "--offline", "--tlog", "http://127.0.0.1:1"],
        [attested, "--tlog", "ftp://127.0.0.1"],
        ["--since", "yesterday"],
    ):
        answer = lumen("verify", *words)
        assert answer.code == 2, (words, answer)
        assert "Traceback" not in answer.err


def test_a_stranger_s_home_pins_what_it_is_told(lumen: Command, attested: Path, home: Path, tmp_path: Path) -> None:
    root = json.loads(lumen("pki", "show", "--json").out)["root_fingerprint"]
    shutil.rmtree(home)
    answer = lumen("verify", attested, "--json")
    assert (answer.code, answer.json["reason"]) == (1, "root_not_pinned")
    assert not (home / "keys").exists()  # reading makes no key
    assert not (home / "trust").exists()
    assert verified(lumen, attested, "--root", root)["ok"]
    colons = ":".join(root[place : place + 2] for place in range(0, 64, 2)).upper()
    assert verified(lumen, attested, "--root", colons)["ok"]
    assert verified(lumen, attested, "--root", "ab" * 32)["reason"] == "root_mismatch"
    assert verified(lumen, attested, "--root", "ab" * 32, "--root", root)["ok"]


def test_the_home_s_own_log_is_asked_unless_offline(lumen: Command, attested: Path, home: Path) -> None:
    def log(*words: object) -> tuple[str, str]:
        [check] = [check for check in verified(lumen, attested, *words)["checks"] if check["name"] == "log"]
        return check["status"], check["reason"]

    assert log() == ("ran", "")
    assert log("--offline") == ("skipped", "no_log")
    other = attested.with_name("other.txt")
    other.write_bytes(b"")
    before = (home / "log" / CHECKPOINT).read_bytes()
    assert lumen("attest", other).code == 0
    assert log() == ("ran", "")
    (home / "log" / CHECKPOINT).write_bytes(before)
    assert log() == ("ran", "")
    assert verified(lumen, other)["reason"] == "log_rolled_back"
    assert verified(lumen, other, "--offline")["ok"]
    (home / "log" / CHECKPOINT).unlink()
    assert log() == ("skipped", "no_log")


def test_a_trust_file_at_hand_that_knows_less_is_left_out(lumen: Command, attested: Path, home: Path) -> None:
    """Another home's evidence may come with a newer list than ours; one that was named must not be older."""
    older = home / "trust/trust.json"
    kept = older.read_bytes()
    trust_file = attested.with_name("older.json")
    trust_file.write_bytes(kept)
    evidence = evidence_of(attested)
    from lumen_workers.domain.clock import SystemClock
    from lumen_workers.trust.pki.authority import Authority

    newer = Authority.open(home / "keys/development-root", None).publish(SystemClock().now())
    value = json.loads(evidence.read_bytes())
    evidence.write_text(json.dumps({**value, **newer.as_json()}))
    assert verified(lumen, attested)["ok"]
    assert verified(lumen, attested, "--trust", trust_file)["reason"] == "crl_number_lower"


# ---------------------------------------------------------------- days


@pytest.fixture
def of_a_day(filled: Path, home: Path) -> Path:
    """The filled home's snapshot, in a home that may be changed."""
    shutil.copytree(filled, home)
    [place] = [path.parent for path in home.rglob("snapshot.manifest.json") if path.parent.name == DAY.isoformat()]
    return place


def test_a_day_s_folder(lumen: Command, of_a_day: Path) -> None:
    value = verified(lumen, of_a_day)
    assert (value["ok"], value["day"], value["reason"]) == (True, DAY.isoformat(), "")
    assert {check["name"]: check["status"] for check in value["checks"]}["snapshot"] == "ran"
    assert verified(lumen, of_a_day, "--day", DAY.isoformat())["ok"]
    assert verified(lumen, of_a_day, "--day", "2026-01-30")["reason"] == "day_mismatch"
    [pdf] = of_a_day.rglob("report_*.pdf")
    [evidence] = of_a_day.glob("*.lumen.json")
    assert verified(lumen, pdf, evidence)["ok"]


def test_a_day_s_folder_that_was_changed(lumen: Command, of_a_day: Path) -> None:
    (of_a_day / "files/more.csv").write_bytes(b"")
    assert verified(lumen, of_a_day)["reason"] == "file_extra"


def test_another_s_evidence_in_a_day_s_folder(lumen: Command, of_a_day: Path, report: Path) -> None:
    """Evidence of a file that lies in the folder, named as a region's: it holds, and says nothing of the day."""
    [evidence] = of_a_day.glob("*.lumen.json")
    assert lumen("attest", report).code == 0
    shutil.copy(report, of_a_day)
    shutil.copy(evidence_of(report), evidence)
    assert verified(lumen, evidence)["ok"]
    assert verified(lumen, of_a_day)["reason"] == "file_not_attested"
    evidence.unlink()
    assert lumen("verify", of_a_day).code == 2


def test_the_archive_s_days(lumen: Command, of_a_day: Path) -> None:
    answer = lumen("verify", "--since", DAY.isoformat(), "--json")
    assert answer.code == 0
    [day] = answer.json["days"]
    assert (day["snapshot"], day["ok"], day["verdict"]) == (DAY.isoformat(), True, "NO_TIME")
    assert DAY.isoformat() in answer.err  # progress
    assert lumen("verify", "--since", DAY.isoformat()).code == 0
    assert lumen("verify", "--since", "2027-01-01").code == 1
    (of_a_day / "SHA256SUMS.txt").rename(of_a_day / "sums.txt")
    answer = lumen("verify", "--since", DAY.isoformat(), "--json")
    assert (answer.code, answer.json["ok"], answer.json["days"][0]["reason"]) == (1, False, "file_extra")
