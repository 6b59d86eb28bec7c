"""The set-up scripts: what they say and how they end where something is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NEEDED = ("sh", "dirname", "ls", "cut", "grep", "rm")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is the whole PATH: the few programs that the scripts themselves use."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def add(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def run(
    script: str, programs: Path, *arguments: str, root: Path = ROOT, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(root / "tools" / script), *arguments],
        env={"PATH": str(programs)} | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the installer reads, without an environment."""
    root = tmp_path / "checkout"
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_missing_servers_are_named_and_tests_go_on(programs: Path) -> None:
    done = run("servers.sh", programs)
    assert done.returncode == 0
    assert "missing: redis-server " in done.stderr
    assert "prometheus-node-exporter prometheus prometheus-alertmanager faketime openssl gnutls-bin " in done.stderr
    assert "gnutls-bin softhsm2 poppler-utils golang-go " in done.stderr


def test_missing_servers_fail_in_ci(programs: Path) -> None:
    done = run("servers.sh", programs, CI="true")
    assert done.returncode == 1
    assert "redis-server" in done.stderr


def test_servers_that_are_there_are_left_alone(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "gocode/src/golang.org/x/mod").mkdir(parents=True)
    watchers = ("prometheus", "promtool", "amtool")
    for name in (
        "valkey-server",
        "postgres",
        "node_exporter",
        *watchers,
        "faketime",
        "openssl",
        "certtool",
        "softhsm2-util",
        "go",
        "pdftoppm",
        "pdffonts",
        "go",
    ):
        add(programs, name, "exit 0")
    done = run("servers.sh", programs, CI="true", GOCODE=str(tmp_path / "gocode"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_packages_are_not_installed_without_the_right_to(programs: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    add(programs, "apt-get", f'echo apt-get "$@" >>{trace}')
    add(programs, "id", "echo 1000")
    add(programs, "sudo", "exit 1")
    assert run("packages.sh", programs, "redis-server").returncode == 1
    assert not trace.exists()


def test_packages_come_by_sudo_and_never_ask(programs: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    add(programs, "apt-get", "exit 0")
    add(programs, "id", "echo 1000")
    add(programs, "sudo", f'printf "%s\\n" "$*" >>{trace}')
    assert run("packages.sh", programs, "redis-server", "poppler-utils").returncode == 0
    calls = trace.read_text().splitlines()
    assert all(call.startswith("-n ") for call in calls)
    assert any("apt-get" in call and call.endswith(" update") for call in calls)
    install = next(call for call in calls if " install " in call)
    assert "DEBIAN_FRONTEND=noninteractive" in install
    assert install.endswith("install -y --no-install-recommends redis-server poppler-utils")


def test_installer_says_that_python_is_missing(programs: Path, checkout: Path) -> None:
    done = run("install.sh", programs, "run", root=checkout, PYTHON="python9")
    assert done.returncode == 1
    assert done.stderr.startswith("python9 is not there: install Python 3.11 or newer")
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


def test_installer_refuses_an_old_python_with_one_line(programs: Path, checkout: Path) -> None:
    add(programs, "python3", 'if [ "$1" = -V ]; then echo Python 3.9.2; else exit 1; fi')
    done = run("install.sh", programs, "run", root=checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("python3 is 3.9.2: Lumen needs Python 3.11 or newer")
    assert len(done.stderr.splitlines()) == 1


def test_installer_without_venv_module_names_the_package(programs: Path, checkout: Path) -> None:
    # Python that is new enough, and has neither ensurepip nor venv, as Debian ships it.
    add(programs, "python3", 'case "$*" in *version_info*) exit 0 ;; *) exit 1 ;; esac')
    add(programs, "id", "echo 1000")
    done = run("install.sh", programs, "run", root=checkout)
    assert done.returncode == 1
    assert "install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def junit(path: Path, *cases: str) -> str:
    inner = "".join(f'<testcase classname="c" name="n{number}">{case}</testcase>' for number, case in enumerate(cases))
    path.write_text(f"<testsuites><testsuite>{inner}</testsuite></testsuites>")
    return str(path)


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("", 0, "every test ran and passed"),
        ('<skipped message="no redis"/>', 1, "skipped: c::n1: no redis"),
        ('<failure message="x"/>', 1, "failure: c::n1"),
        ('<error message="x"/>', 1, "error: c::n1"),
    ],
)
def test_a_report_with_anything_but_passes_fails(tmp_path: Path, case: str, code: int, said: str) -> None:
    report = junit(tmp_path / "a.xml", "", case)
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "no_skips.py", report], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert said in done.stdout


def test_a_report_that_is_empty_or_absent_fails(tmp_path: Path) -> None:
    reports = [junit(tmp_path / "empty.xml"), str(tmp_path / "absent.xml")]
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "no_skips.py", *reports], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "holds no test" in done.stdout
    assert "cannot be read" in done.stdout


def test_benchmarks_are_collected_into_one_document(tmp_path: Path) -> None:
    shutil.copy(ROOT / "benchmarks" / "all.py", tmp_path)
    (tmp_path / "good.py").write_text("print('{\"rate\": 1}')")
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    (tmp_path / "_machine.py").write_text("raise SystemExit(4)")
    command = [sys.executable, str(tmp_path / "all.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["results"] == {"bad": None, "good": {"rate": 1}}
    assert document["failed"] == ["bad"]
    assert subprocess.run([*command, "good"], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "nothing"], capture_output=True, check=False).returncode == 2
