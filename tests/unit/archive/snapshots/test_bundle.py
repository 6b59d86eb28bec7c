"""Bundles that were spoiled or made to harm."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.snapshots import Day, MakeDay

from lumen_workers.archive.bundle import BundleError, TarReader, open_bundle, tar_size
from lumen_workers.archive.freeze import FreezeOptions

NAME = "bundle.tar.gz"
METRICS = "files/loops/main/logs/metrics.csv"
EMPTY = "files/controls/reports/empty.txt"


def reasons(day: Day) -> set[tuple[str, str]]:
    """Faults but the checksum file's, which notices every change of the compressed bytes."""
    return {fault for fault in day.faults() if fault[1] != "sums_mismatch"}


def rewrite(day: Day, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]) -> None:
    """Replace the bundle by one with changed members, made with the standard library."""
    with tarfile.open(day.folder / NAME) as bundle:
        members = [(info, content.read()) for info in bundle if (content := bundle.extractfile(info))]
    change(members)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as bundle:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            bundle.addfile(info, io.BytesIO(data))
    (day.folder / NAME).write_bytes(gzip.compress(out.getvalue()))


def position(members: list[tuple[tarfile.TarInfo, bytes]], path: str) -> int:
    return next(number for number, (info, _) in enumerate(members) if info.name == path)


def as_kind(path: str, kind: bytes, target: str = "") -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, _ = members[position(members, path)]
        info.type, info.linkname = kind, target

    return change


def renamed(path: str, name: str) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[position(members, path)][0].name = name

    return change


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_truncated(make_day: MakeDay, share: float, compression: Literal["gz", "xz"]) -> None:
    day = make_day(FreezeOptions(tar_compression=compression))
    path = day.folder / f"bundle.tar.{compression}"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert reasons(day) == {(path.name, "bundle_truncated")}


def test_truncated_by_one_byte(day: Day) -> None:
    data = (day.folder / NAME).read_bytes()
    (day.folder / NAME).write_bytes(data[:-1])
    assert reasons(day) == {(NAME, "bundle_truncated")}


def test_missing(day: Day) -> None:
    (day.folder / NAME).unlink()
    assert reasons(day) == {(NAME, "file_missing")}


def test_every_flipped_bit_is_noticed(day: Day) -> None:
    data = (day.folder / NAME).read_bytes()
    for offset in range(len(data)):
        changed = bytearray(data)
        changed[offset] ^= 1 << offset % 8
        (day.folder / NAME).write_bytes(changed)
        assert not day.verify().ok, offset


@pytest.mark.parametrize("offset", [0, -1, -8])
def test_corrupt(day: Day, offset: int) -> None:
    data = bytearray((day.folder / NAME).read_bytes())
    data[offset] ^= 0xFF
    (day.folder / NAME).write_bytes(data)
    assert reasons(day) == {(NAME, "bundle_corrupt")}


@pytest.mark.parametrize("more", [b"\0", b"x", gzip.compress(b"", mtime=0), gzip.compress(b"more", mtime=0)])
def test_something_behind_the_stream(day: Day, more: bytes) -> None:
    with (day.folder / NAME).open("ab") as stream:
        stream.write(more)
    assert reasons(day) == {(NAME, "bundle_corrupt")}


def test_something_behind_the_last_member(day: Day) -> None:
    tar = bytearray(gzip.decompress((day.folder / NAME).read_bytes()))
    tar[-1] = 1
    (day.folder / NAME).write_bytes(gzip.compress(bytes(tar)))
    assert reasons(day) == {(NAME, "bundle_corrupt")}


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_bomb(make_day: MakeDay, compression: Literal["gz", "xz"]) -> None:
    day = make_day(FreezeOptions(tar_compression=compression))
    path = day.folder / f"bundle.tar.{compression}"
    tar = (gzip if compression == "gz" else lzma).decompress(path.read_bytes())
    with (gzip if compression == "gz" else lzma).open(path, "wb") as stream:
        stream.write(tar[:-1024])
        for _ in range(200):
            stream.write(bytes(1024**2))
    tracemalloc.start()
    found = reasons(day)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {(path.name, "bundle_too_large")}
    assert peak < 40 * 1024**2


def test_header_with_a_wrong_checksum(day: Day) -> None:
    tar = bytearray(gzip.decompress((day.folder / NAME).read_bytes()))
    tar[0] ^= 1
    (day.folder / NAME).write_bytes(gzip.compress(bytes(tar)))
    assert reasons(day) == {(NAME, "bundle_corrupt")}


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, METRICS),
        (tarfile.DIRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
    ],
)
def test_member_that_is_no_plain_file(day: Day, kind: bytes, target: str) -> None:
    rewrite(day, as_kind(EMPTY, kind, target))
    assert (f"{NAME}:{EMPTY}", "bundle_member_unsafe") in reasons(day)
    assert (NAME, "bundle_digest_mismatch") in reasons(day)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "files/../../evil", ".."])
def test_member_that_leads_out(day: Day, name: str) -> None:
    rewrite(day, renamed(EMPTY, name))
    assert reasons(day) == {
        (f"{NAME}:{name}", "bundle_member_unsafe"),
        (f"{NAME}:{EMPTY}", "bundle_member_missing"),
        (NAME, "bundle_digest_mismatch"),
    }


def test_extension_headers_are_not_interpreted(day: Day) -> None:
    with tarfile.open(day.folder / NAME) as bundle:
        info = bundle.getmember(EMPTY)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x"}) as bundle:
        bundle.addfile(info)
    (day.folder / NAME).write_bytes(gzip.compress(out.getvalue()))
    assert (f"{NAME}:././@PaxHeader", "bundle_member_unsafe") in reasons(day)


def test_member_removed(day: Day) -> None:
    rewrite(day, lambda members: members.pop(position(members, METRICS)))
    assert reasons(day) == {(f"{NAME}:{METRICS}", "bundle_member_missing"), (NAME, "bundle_digest_mismatch")}


def test_member_twice(day: Day) -> None:
    def twice(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members.append(members[position(members, EMPTY)])

    rewrite(day, twice)
    assert (f"{NAME}:{EMPTY}", "bundle_member_extra") in reasons(day)


def test_member_renamed(day: Day) -> None:
    rewrite(day, renamed(EMPTY, "files/more"))
    assert reasons(day) == {
        (f"{NAME}:files/more", "bundle_member_extra"),
        (f"{NAME}:{EMPTY}", "bundle_member_missing"),
        (NAME, "bundle_digest_mismatch"),
    }


@pytest.mark.parametrize("size", [0, 1, 600, 112014])
def test_member_with_other_content(day: Day, size: int) -> None:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        number = position(members, METRICS)
        members[number] = (members[number][0], b"x" * size)

    rewrite(day, change)
    assert reasons(day) == {(f"{NAME}:{METRICS}", "bundle_member_mismatch"), (NAME, "bundle_digest_mismatch")}


def test_another_owner_or_mode_is_another_tar(day: Day) -> None:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[0][0].mode = 0o4755

    rewrite(day, change)
    assert reasons(day) == {(NAME, "bundle_digest_mismatch")}


def test_members_in_another_order(day: Day) -> None:
    rewrite(day, lambda members: members.reverse())
    assert reasons(day) == {(NAME, "bundle_digest_mismatch")}


def test_only_a_bundle_is_checked_as_thoroughly(make_day: MakeDay) -> None:
    day = make_day(FreezeOptions(include_plain_copy=False))
    rewrite(day, lambda members: members.pop(position(members, METRICS)))
    assert (f"{NAME}:{METRICS}", "bundle_member_missing") in reasons(day)


@given(st.lists(st.integers(0, 30_000), max_size=8), st.sampled_from(["gz", "xz"]))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], compression: str) -> None:
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    with open_bundle(path, compression, 0) as writer:
        for number, size in enumerate(sizes):
            writer.member(f"files/{number}", size)
            writer.write(bytes([number]) * size)
            writer.pad()
        digest = writer.finish()
    assert writer.size == tar_size(sizes)
    with path.open("rb") as stream:
        reader = TarReader(stream, compression, writer.size)
        found = [b"".join(reader.content()) for _ in reader.members()]
    assert found == [bytes([number]) * size for number, size in enumerate(sizes)]
    assert reader.digest() == digest


@given(st.binary(max_size=3000), st.sampled_from(["gz", "xz"]), st.booleans())
@settings(deadline=None)
def test_any_bytes_give_a_bundle_error_at_worst(data: bytes, compression: str, wrapped: bool) -> None:
    if wrapped:
        data = gzip.compress(data) if compression == "gz" else lzma.compress(data)
    try:
        for _ in TarReader(io.BytesIO(data), compression, 10_000).members():
            pass
    except BundleError:
        return
    assert wrapped


def test_an_existing_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_text("x")
    with pytest.raises(FileExistsError), open_bundle(tmp_path / "bundle", "gz", 0):
        pass
