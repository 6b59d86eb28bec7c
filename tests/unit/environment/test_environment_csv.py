"""``environment.csv``: a file that grows, and what may stand in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen_workers.adapters.environment.csv_file import CsvEnvironment
from lumen_workers.domain.clock import iso

NOW = datetime(2026, 1, 31, 0, 5, tzinfo=UTC)
SINCE = NOW - timedelta(seconds=15)
HEADER = "ts,light_intensity,ambient_temp,sound_level\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "environment.csv"


def test_of_a_long_file_only_the_end_is_read(path: Path) -> None:
    count = 40_000
    rows = [f"{iso(NOW - timedelta(seconds=count - 1 - at))},{at},20,50\n" for at in range(count)]
    path.write_text(HEADER + "".join(rows))
    assert path.stat().st_size > 1 << 20
    found = CsvEnvironment(path).observe(SINCE, NOW)
    assert found.problem is None
    assert [one.light_intensity for one in found.readings] == [float(at) for at in range(count - 15, count)]


def test_columns_have_any_order_and_others_are_passed_over(path: Path) -> None:
    path.write_text(f"\ufefftime_cycle, sound_level ,ts,ambient_temp,light_intensity\r\n0.5,40,{iso(NOW)},20,300\r\n")
    [found] = CsvEnvironment(path).observe(SINCE, NOW).readings
    assert (found.sound_level, found.ambient_temp, found.light_intensity) == (40.0, 20.0, 300.0)


@pytest.mark.parametrize("head", ["", "ts,light_intensity,ambient_temp\n", "ts,ts,light_intensity\n", "\x00\xff\n"])
def test_without_its_columns_a_file_is_a_problem(path: Path, head: str) -> None:
    path.write_text(head + f"{iso(NOW)},1,2,3\n")
    found = CsvEnvironment(path).observe(SINCE, NOW)
    assert found.readings == ()
    assert "the first line must name the columns ts, light_intensity, ambient_temp, sound_level" in str(found.problem)


def test_a_row_that_is_being_written_is_not_there_yet(path: Path) -> None:
    path.write_text(f"{HEADER}{iso(NOW)},1,2,3\n{iso(NOW)},1,2,3")
    assert len(CsvEnvironment(path).observe(SINCE, NOW).readings) == 1
    path.write_text(HEADER.strip())
    assert CsvEnvironment(path).observe(SINCE, NOW).readings == ()


def test_a_bad_row_is_left_out_and_told_and_the_rest_counts(path: Path) -> None:
    path.write_text(f"{HEADER}{iso(NOW)},1,2,3\n\n{iso(NOW)},1\n{iso(NOW)},x,2,3\n")
    found = CsvEnvironment(path).observe(SINCE, NOW)
    assert len(found.readings) == 1
    assert found.problem == f"{path}: 2 of 3 rows left out, the last one: light_intensity: 'x' is no number"


def test_a_folder_is_a_problem(tmp_path: Path) -> None:
    assert CsvEnvironment(tmp_path).observe(SINCE, NOW).problem == f"{tmp_path}: Is a directory"
