"""One file out of a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.snapshots import make_files, make_seal

from lumen_workers.archive.freeze import FreezeOptions, freeze
from lumen_workers.archive.pick import pick
from lumen_workers.domain.errors import NotFound

REPORT = Path("controls/reports/report.md")


@pytest.mark.parametrize(
    "options",
    [
        FreezeOptions(),
        FreezeOptions(include_plain_copy=False),
        FreezeOptions(include_plain_copy=False, tar_compression="xz"),
    ],
)
def test_a_file_is_found_in_the_copy_and_in_the_bundle(tmp_path: Path, options: FreezeOptions) -> None:
    seal = make_seal()
    files = make_files(tmp_path / "made", seal)
    sources = sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file())
    freeze(files, tmp_path / "snapshot", seal=seal, label="x", sources=sources, highlights=[], options=options)
    found = pick(tmp_path / "snapshot", REPORT, tmp_path / "out.md")
    assert found.read_text() == f"# {seal.day} 하루\n"
    with pytest.raises(NotFound, match="nothing"):
        pick(tmp_path / "snapshot", Path("controls/nothing"), tmp_path / "no")
