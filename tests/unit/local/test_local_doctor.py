"""What the doctor sees, and what it advises."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import SchemaTooNew, StoreUnavailable
from lumen_workers.local import checkup, doctor
from lumen_workers.local.doctor import Finding, Health, StoreView, all_well, examine
from lumen_workers.local.instance import hold

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def view(off_s: float = 0.0, *, current: bool = True) -> Callable[[], StoreView]:
    found = StoreView(location="sqlite", schema="0001", current=current, now=NOON + timedelta(seconds=off_s))
    return lambda: found


def server(folder: Path, version: str = "7.0.15") -> str:
    """A folder with a program that says it is Redis."""
    folder.mkdir()
    path = folder / "redis-server"
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0:0 malloc=libc bits=64'\n")
    path.chmod(0o755)
    return str(folder)


def look(tmp_path: Path, **changes: Any) -> dict[str, Finding]:
    fonts = tmp_path / "fonts"
    fonts.mkdir(exist_ok=True)
    (fonts / "a.ttf").write_bytes(b"\0\1\0\0 and more")
    if "path" not in changes:
        changes["path"] = server(tmp_path / "bin")
    values: dict[str, Any] = {
        "home": tmp_path / "home",
        "broker_url": None,
        "store": view(),
        "ports": {},
        "zones": ["Asia/Seoul"],
        "fonts": fonts,
        "clock": VirtualClock(NOON),
    }
    return {finding.name: finding for finding in examine(**{**values, **changes})}


def test_a_sound_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_WARN", 0)
    findings = look(tmp_path)
    assert {name: finding.status for name, finding in findings.items()} == dict.fromkeys(
        [
            "python",
            "broker",
            "broker socket",
            "store",
            "clock",
            "home",
            "disk",
            "ports",
            "zone Asia/Seoul",
            "fonts",
            "open files",
        ],
        Health.OK,
    )
    assert all(not finding.mend for finding in findings.values())
    assert all_well(list(findings.values()))
    assert not (tmp_path / "home").exists()


def test_no_broker_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    findings = look(tmp_path, path=str(tmp_path))
    assert findings["broker"].status is Health.FAIL
    assert "install redis-server" in findings["broker"].detail + findings["broker"].mend
    assert not all_well(list(findings.values()))


@pytest.mark.parametrize(("version", "status"), [("5.0.7", Health.WARN), ("6.2.14", Health.OK), ("8.0.0", Health.OK)])
def test_old_broker_programs_are_named(version: str, status: Health, tmp_path: Path) -> None:
    found = look(tmp_path, path=server(tmp_path / "old", version))["broker"]
    assert found.status is status
    assert version in found.detail


def test_a_broker_program_that_does_not_run(tmp_path: Path) -> None:
    path = server(tmp_path / "broken")
    (tmp_path / "broken" / "redis-server").write_text("#!/bin/sh\nexit 3\n")
    assert look(tmp_path, path=path)["broker"].status is Health.FAIL


def test_an_external_broker_that_is_away_and_its_password(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://:hush@127.0.0.1:{unused.getsockname()[1]}/0"
        found = look(tmp_path, broker_url=url)["broker"]
    assert found.status is Health.FAIL
    assert "LUMEN_BROKER_URL" in found.mend
    assert "hush" not in found.detail


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StoreUnavailable("no answer from db; start it"), "start it"),
        (SchemaTooNew("schema 9 is newer than this code; update the code"), "update the code"),
    ],
)
def test_a_store_that_cannot_be_used(fault: Exception, words: str, tmp_path: Path) -> None:
    def fail() -> StoreView:
        raise fault

    findings = look(tmp_path, store=fail)
    assert findings["store"].status is Health.FAIL
    assert findings["store"].mend == words
    assert "clock" not in findings


def test_an_older_schema_is_no_failure(tmp_path: Path) -> None:
    assert look(tmp_path, store=view(current=False))["store"].status is Health.WARN


@pytest.mark.parametrize(
    ("off_s", "status"),
    [(0.0, Health.OK), (1.9, Health.OK), (-30.0, Health.WARN), (30.0, Health.WARN), (-400.0, Health.FAIL)],
)
def test_the_clock_is_held_against_the_stores(off_s: float, status: Health, tmp_path: Path) -> None:
    assert look(tmp_path, store=view(off_s))["clock"].status is status


def test_a_slow_store_is_not_taken_for_a_wrong_clock(tmp_path: Path) -> None:
    clock = VirtualClock(NOON)

    def slow() -> StoreView:
        clock.advance(20)
        return view(19)()

    assert look(tmp_path, clock=clock, store=slow)["clock"].status is Health.OK


def test_a_home_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    found = look(tmp_path, home=Path("/proc/none/home"))["home"]
    assert found.status is Health.FAIL
    assert "--home" in found.mend


@pytest.mark.parametrize(("free", "status"), [(100e6, Health.FAIL), (1e9, Health.WARN), (3e9, Health.OK)])
def test_disk(free: float, status: Health, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        def __init__(self) -> None:
            self.free = int(free)

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage())
    assert look(tmp_path)["disk"].status is status


def test_a_taken_port_names_its_variable_unless_it_is_our_own(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = {"LUMEN_EXPORTER_PORT": port}
        found = look(tmp_path, ports=ports)[f"port {port}"]
        assert found.status is Health.WARN
        assert "LUMEN_EXPORTER_PORT" in found.mend
        with hold(tmp_path / "home"):
            assert look(tmp_path, ports=ports, path="")[f"port {port}"].status is Health.OK


def test_an_unknown_zone(tmp_path: Path) -> None:
    found = look(tmp_path, zones=["Asia/Seul"])["zone Asia/Seul"]
    assert found.status is Health.FAIL
    assert "tzdata" in found.mend


@pytest.mark.parametrize("content", [None, b"", b"<html>"])
def test_missing_or_damaged_fonts(content: bytes | None, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    if content is not None:
        (folder / "b.ttf").write_bytes(content)
    assert look(tmp_path, fonts=folder)["fonts"].status is Health.FAIL


def test_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (256, 256))
    found = look(tmp_path)["open files"]
    assert found.status is Health.WARN
    assert "ulimit -n 1024" in found.mend


def test_a_machine_that_lets_nobody_bind_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "free_port", refuse)
    found = look(tmp_path)["ports"]
    assert found.status is Health.FAIL
    assert "Permission denied" in found.detail
    assert "Flower" in found.mend


def test_a_variable_that_nobody_reads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUMEN_LOCAL", "ko")
    monkeypatch.setenv("LUMEN_XYZZY", "1")
    monkeypatch.setenv("LUMEN_SIGNER_PASS", "1")
    monkeypatch.setenv("LUMEN_PKCS11_PIN", "1")
    monkeypatch.setenv("LUMEN_CONFIGS", str(tmp_path))
    (tmp_path / "lumen.yaml").write_text("signers: {us-west-2: {pkcs11: {module: m, token: t, key: k}}}")
    found = {finding.name: finding for finding in checkup.checkup()}
    assert (found["LUMEN_LOCAL"].status, found["LUMEN_LOCAL"].mend) == (Health.WARN, "did you mean LUMEN_LOCALE?")
    assert found["LUMEN_XYZZY"].mend.startswith("unset it")
    assert not {"LUMEN_HOME", "LUMEN_SIGNER_PASS", "LUMEN_PKCS11_PIN"} & set(found)
