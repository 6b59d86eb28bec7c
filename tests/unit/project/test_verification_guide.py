"""What docs/verification.md tells a stranger to type works, and finds what it is meant to find."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from support.chains import chain_of
from support.servers import missing

from lumen_workers.archive.freeze import Snapshot, freeze
from lumen_workers.domain.runs import Seal
from lumen_workers.trust.audit.rows import dump_line
from lumen_workers.trust.pins import open_signer
from lumen_workers.trust.signatures import sign_bytes

ROOT = Path(__file__).resolve().parents[3]
REGION = "ap-northeast-2"
PAGE = (ROOT / "docs" / "verification.md").read_text("utf-8")
TEXT = PAGE.split("## Without Lumen")[1].split("\n## ")[0]
AUDIT = re.findall(r"^```python\n(.*?)^```", PAGE.split("## Audit log")[1].split("\n## ")[0], re.S | re.M)
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.S | re.M)
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT, re.S | re.M)
SEALED = datetime(2026, 2, 1, 0, 5, tzinfo=UTC)


class Day:
    """A signed snapshot, the fingerprint to expect, and a stranger's shell in its folder."""

    def __init__(self, folder: Path) -> None:
        files = folder / "build"
        for number in range(7):
            place = files / "loops" / "main" / f"part {number}.csv"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"row {number}, 창의 밴드\n" * number, "utf-8")
        (files / "controls").mkdir()
        seal = Seal(
            pipeline="daily",
            day=date(2026, 1, 31),
            revision=1,
            start=datetime(2026, 1, 30, 15, tzinfo=UTC),
            end=datetime(2026, 1, 31, 15, tzinfo=UTC),
            cutoff=datetime(2026, 1, 31, 15, tzinfo=UTC),
            watermark={"main": 9},
            settings={},
            code_version="0123abcd",
            config_digest="0" * 64,
            prev_digest=None,
            sealed_at=SEALED,
        )
        (files / "controls" / "seal.json").write_text(json.dumps(seal.as_json()), "utf-8")
        self.folder = folder / "2026-01-31"
        self.snapshot: Snapshot = freeze(files, self.folder, seal=seal, label="test")
        key = open_signer(folder / "keys", REGION)
        self.fingerprint = key.fingerprint
        (self.folder / "signatures").mkdir()
        manifest = (self.folder / "snapshot.manifest.json").read_bytes()
        (self.folder / "signatures" / f"{REGION}.sig").write_bytes(sign_bytes(manifest, key, region=REGION))

    def shell(self, number: int, fingerprint: str | None = None) -> subprocess.CompletedProcess[str]:
        header = f"REGION={REGION}\nFINGERPRINT={fingerprint or self.fingerprint}\n"
        return self.run(["sh", "-e", "-c", header + SHELL[number]])

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path)


def test_the_guide_has_three_steps() -> None:
    assert (len(SHELL), len(PYTHON)) == (2, 1)


def test_checksums_hold_and_a_flipped_byte_is_found(day: Day) -> None:
    assert day.shell(0).returncode == 0
    victim = day.folder / "files" / "loops" / "main" / "part 3.csv"
    victim.write_bytes(b"X" + victim.read_bytes()[1:])
    assert day.shell(0).returncode != 0


def test_signature_holds_for_the_expected_key_only(day: Day) -> None:
    if shutil.which("openssl") is None:
        missing("openssl")
    done = day.shell(1)
    assert done.returncode == 0, done.stderr
    assert "Verified Successfully" in done.stdout
    other = day.shell(1, "f" * 64)
    assert other.returncode == 1
    assert f"another key: {day.fingerprint}" in other.stdout
    manifest = day.folder / "snapshot.manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"test"', b'"tost"'))
    assert day.shell(1).returncode != 0


def test_root_is_the_one_that_was_frozen(day: Day) -> None:
    command = [sys.executable, "-I", "-c", PYTHON[0]]
    assert day.run(command).stdout.strip() == day.snapshot.root
    (day.folder / "files" / "extra.txt").write_text("x")
    assert day.run(command).stdout.strip() != day.snapshot.root


def test_a_stranger_checks_an_exported_audit_log(tmp_path: Path) -> None:
    [program] = AUDIT
    rows = [*chain_of(7, "a"), *chain_of(3, "b")]
    path = tmp_path / "audit.log.jsonl"

    def check(rows: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
        path.write_bytes(b"".join(dump_line(row) for row in rows))
        return subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    found = check(rows)
    assert (found.returncode, f"{rows[-1]['hash']}" in found.stdout) == (0, True)
    for spoiled in ([*rows[:3], *rows[4:]], [*rows[:6], {**rows[6], "event": "x"}, *rows[7:]], rows[::-1]):
        assert check(spoiled).returncode != 0
