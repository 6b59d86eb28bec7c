"""Whatever lies in the folder, verification answers, and never says yes to what it should not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.snapshots import Day

from lumen_workers.archive.manifest import parse_manifest
from lumen_workers.archive.verify import verify_snapshot
from lumen_workers.trust import canonical

MANIFEST = "snapshot.manifest.json"
PLACES = st.sampled_from(
    [MANIFEST, "SHA256SUMS.txt", "bundle.tar.gz", "signatures/one.sig", "files/a", "runs/x.json", "x/y/z"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("0" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(PLACES, st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())))
@settings(deadline=None)
def test_any_folder(tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("any")
    for path, data in contents.items():
        (folder / path).parent.mkdir(exist_ok=True, parents=True)
        (folder / path).write_bytes(data)
    found = verify_snapshot(folder, pinned={"one": "0" * 64}, require=["one"], day=date(2026, 3, 1), revision=1)
    assert not found.ok
    json.dumps(found.as_json())


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in [(*path, key), *spots(item, (*path, key))]]


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_in_the_manifest(day: Day, data: st.DataObject) -> None:
    """Signed by nobody: changed is refused, whatever it was changed to."""
    path = day.folder / MANIFEST
    original = path.read_bytes()
    value = json.loads(original)
    *parents, last = data.draw(st.sampled_from(spots(value)))
    place = value
    for key in parents:
        place = place[key]
    place[last] = data.draw(JSON)
    try:
        changed = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
        path.write_bytes(changed + b"\n")
        assert day.verify().ok == (changed + b"\n" == original)
        day.sign_again()
        day.verify()  # signed or not, it never raises
    finally:
        path.write_bytes(original)
        day.sign_again()


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_parse_raises_value_errors_only(data: bytes) -> None:
    try:
        parse_manifest(data)
    except ValueError:
        return
    pytest.fail("this is no manifest")


def test_parse_reads_what_dump_writes(day: Day) -> None:
    data = (day.folder / MANIFEST).read_bytes()
    assert parse_manifest(data).dump() == data
    assert canonical.dumps(canonical.loads(data)) + b"\n" == data


def test_the_verifier_writes_nothing(day: Day) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in sorted(day.folder.rglob("*"))}

    before = state()
    day.verify()
    assert state() == before
