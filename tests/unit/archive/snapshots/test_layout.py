from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.archive.layout import (
    attestor_of,
    check_file_path,
    evidence_path,
    is_run_file,
    parse_snapshot_name,
    run_path,
    signature_path,
    signer_of,
    snapshot_name,
)
from lumen_workers.archive.sums import parse_sums, write_sums
from lumen_workers.domain.errors import UsageError


@given(st.dates(), st.integers(1, 999_999))
def test_names_round_trip(day: date, revision: int) -> None:
    assert parse_snapshot_name(snapshot_name(day, revision)) == (day, revision)


def test_names_sort_and_read_as_documented() -> None:
    assert snapshot_name(date(2026, 3, 1), 1) == "2026-03-01"
    assert snapshot_name(date(2026, 3, 1), 2) == "2026-03-01.r2"
    with pytest.raises(ValueError, match="from 1"):
        snapshot_name(date(2026, 3, 1), 0)


@pytest.mark.parametrize(
    "name", ["", "2026-3-1", "2026-02-30", "2026-03-01.r1", "2026-03-01.r0", "2026-03-01.r02", "2026-03-01/..", "x"]
)
def test_other_names(name: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        parse_snapshot_name(name)


def test_side_files() -> None:
    assert signer_of(signature_path("us-west-2")) == "us-west-2"
    assert is_run_file(run_path("20260301-us-west-2-01234567.2"))
    others = ["signatures/.sig", "signatures/a/b.sig", "signatures/A.sig", "signatures/one", "files/one.sig", "one.sig"]
    assert [signer_of(path) for path in others] == [None] * len(others)
    for path in ("runs/.json", "runs/a/b.json", "runs/../a.json", "runs/a", "a.json", "files/a.json"):
        assert not is_run_file(path)
    assert attestor_of(evidence_path("us-west-2")) == "us-west-2"
    others = [".lumen.json", "us-west-2", "US.lumen.json", "a/us-west-2.lumen.json", "files/x.lumen.json", "a.json"]
    assert [attestor_of(path) for path in others] == [None] * len(others)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "files",
        "files/",
        "/files/a",
        "files//a",
        "files/./a",
        "files/../a",
        "other/a",
        "files/a\n",
        "files/a\\b",
        "files/\x00",
        "files/\udcff",
        "files/" + "a" * 250,
    ],
)
def test_paths_that_no_frozen_file_has(path: str) -> None:
    with pytest.raises(ValueError, match="files"):
        check_file_path(path)


@given(
    st.dictionaries(
        st.sampled_from(["a", "files/b c", "files/한"]), st.text("0123456789abcdef", min_size=64, max_size=64)
    )
)
def test_sums_round_trip(digests: dict[str, str]) -> None:
    assert parse_sums(write_sums(digests)) == digests


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"a" * 64 + b" a\n",
        b"A" * 64 + b"  a\n",
        b"a" * 64 + b"  a",
        (b"a" * 64 + b"  a\n") * 2,
        b"a" * 64 + b"  b\n" + b"a" * 64 + b"  a\n",
        b"a" * 64 + b"  a\r\n",
        b"a" * 64 + b"  \xff\n",
    ],
)
def test_other_sums(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"line|decode"):
        parse_sums(data)
