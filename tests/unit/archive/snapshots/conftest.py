"""A frozen, signed day to verify and to tamper with."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from support.snapshots import DAY, Day, MakeDay, make_files, make_seal

from lumen_workers.archive.freeze import FreezeOptions, freeze
from lumen_workers.domain.runs import Seal


@pytest.fixture
def make_day(tmp_path: Path) -> MakeDay:
    """Freeze and sign (by regions ``one`` and ``two``) a day: ``make_day(options, day=…, revision=…)``."""
    count = 0

    def make(options: FreezeOptions | None = None, *, day: date = DAY, revision: int = 1) -> Day:
        nonlocal count
        count += 1
        seal = make_seal(day, revision)
        files = make_files(tmp_path / f"files-{count}", seal)
        folder = tmp_path / f"snapshot-{count}"
        made = Day(folder, freeze(files, folder, seal=seal, label="test", sources=["logs/*.csv"], options=options))
        made.sign("one")
        made.sign("two")
        return made

    return make


@pytest.fixture
def day(make_day: MakeDay) -> Day:
    return make_day()


@pytest.fixture
def seal() -> Seal:
    return make_seal()


@pytest.fixture
def files(tmp_path: Path, seal: Seal) -> Path:
    return make_files(tmp_path / "files", seal)
