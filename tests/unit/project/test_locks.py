"""The locks: pinned, hashed, in step with pyproject.toml, and bound to no registry."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
ENTRY = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; .+)?$")
HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


def entries(lock: Path) -> list[tuple[str, str, list[str]]]:
    """(name, version, lines below it) of a lock; one package may have several versions, by marker."""
    logical = lock.read_text("utf-8").replace(" \\\n", "\n").splitlines()
    found: list[tuple[str, str, list[str]]] = []
    for line in logical:
        if line.startswith(" "):
            found[-1][2].append(line.strip())
        else:
            match = ENTRY.match(line)
            assert match, f"{lock.name}: {line!r}"
            found.append((match["name"], match["version"], []))
    return found


def versions(lock: str) -> dict[str, set[str]]:
    pinned: dict[str, set[str]] = {}
    for name, version, _ in entries(ROOT / "requirements" / lock):
        pinned.setdefault(name, set()).add(version)
    return pinned


def declared(*groups: str) -> list[Requirement]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    texts = list(data["project"]["dependencies"])
    for extra in data["project"].get("optional-dependencies", {}).values():
        texts += extra
    for group in groups:
        texts += data["dependency-groups"][group]
    return [Requirement(text) for text in texts]


def test_the_locks_are_those_that_are_installed() -> None:
    assert [lock.name for lock in LOCKS] == ["dev.lock", "installer.lock", "run.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_entry_is_pinned_and_hashed(lock: Path) -> None:
    found = entries(lock)
    assert found
    for name, _, below in found:
        assert below, f"{name} has no hash"
        assert all(HASH.match(line) for line in below), name


@pytest.mark.parametrize(("lock", "groups"), [("run.lock", ["build"]), ("dev.lock", ["build", "dev"])])
def test_lock_satisfies_what_pyproject_declares(lock: str, groups: list[str]) -> None:
    pinned = versions(lock)
    for requirement in declared(*groups):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in {lock}: run `make lock`"
        for version in pinned[name]:
            assert requirement.specifier.contains(version, prereleases=True), f"{name}=={version}: run `make lock`"


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    shipped, tested = versions("run.lock"), versions("dev.lock")
    assert {name: tested.get(name) for name in shipped} == shipped


def test_no_file_names_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    # Written in pieces, so that this file does not find itself.
    hosts = ["pypi" + ".org", "python" + "hosted.org", "--index" + "-url", "extra" + "-index", "--find" + "-links"]
    found = []
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found += [f"{name}: {host}" for host in hosts if host.encode() in data]
    assert found == []
