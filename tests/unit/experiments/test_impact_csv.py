"""Series from CSV files: how times may be written, what is missing, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lumen_workers.domain.clock import US
from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.impact.csv_file import Kind, event_at, read

DAY = 86_400 * US


def file(folder: Path, text: str) -> Path:
    path = folder / "series.csv"
    path.write_text(text, "utf-8")
    return path


def test_days_numbers_and_missing_cells(tmp_path: Path) -> None:
    sheet = read(file(tmp_path, "\ufeffDate,y,x\n2026-01-01,1,2.5\n\n2026-01-02,,3\n2026-01-04,-4e1,\n"), "y", None)
    data = sheet.observations
    assert sheet.kind is Kind.PLAIN
    assert np.diff(data.ts).tolist() == [DAY, 2 * DAY]
    np.testing.assert_array_equal(data.y, [1.0, np.nan, -40.0])
    np.testing.assert_array_equal(data.x[:, 0], [2.5, 3.0, np.nan])
    assert event_at(sheet, "2026-01-03") == data.ts[0] + 2 * DAY
    assert event_at(sheet, "20260103") == data.ts[0] + 2 * DAY


@pytest.mark.parametrize(
    ("first", "second", "kind", "event"),
    [
        ("2026-01-01T09:00:00+09:00", "2026-01-01T00:00:01Z", Kind.OFFSET, "2026-01-01T00:00:01+00:00"),
        ("2026-01-01 09:00:00", "2026-01-01T09:00:01", Kind.PLAIN, "2026-01-01T09:00:01"),
        ("1767225600", "1767225601.0", Kind.EPOCH, "1767225601"),
        ("1767225600", "1767225601", Kind.EPOCH, "2026-01-01T00:00:01Z"),
    ],
)
def test_three_ways_to_write_times(tmp_path: Path, first: str, second: str, kind: Kind, event: str) -> None:
    sheet = read(file(tmp_path, f"time,y\n{first},1\n{second},2\n"), "y", None)
    assert sheet.kind is kind
    assert sheet.observations.ts[1] - sheet.observations.ts[0] == US
    assert event_at(sheet, event) == sheet.observations.ts[1]


def test_rows_come_in_the_order_of_time(tmp_path: Path) -> None:
    data = read(file(tmp_path, "ts,y,x\n2026-01-03,3,30\n2026-01-01,1,10\n2026-01-02,2,20\n"), "y", ["x"]).observations
    assert data.y.tolist() == [1.0, 2.0, 3.0]
    assert data.x[:, 0].tolist() == [10.0, 20.0, 30.0]


def test_only_columns_of_numbers_are_controls_unless_named(tmp_path: Path) -> None:
    path = file(tmp_path, "ts,note,y,x,empty\n2026-01-01,a,1,2,\n2026-01-02,b,2,3,\n")
    assert read(path, "y", None).observations.controls == ("x",)
    assert read(path, "y", []).observations.controls == ()
    with pytest.raises(UsageError, match=r"line 2: note is 'a', not a number"):
        read(path, "y", ["note"])


def test_the_column_of_times_can_be_named(tmp_path: Path) -> None:
    path = file(tmp_path, "when,y\n2026-01-01,1\n")
    assert len(read(path, "y", None, "when").observations.ts) == 1
    with pytest.raises(UsageError, match="name it with --time"):
        read(path, "y", None)
    with pytest.raises(UsageError, match="no column 'then'"):
        read(path, "y", None, "then")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no data"),
        ("ts,y\n", "no data"),
        ("ts,y,y\n2026-01-01,1,2\n", "two columns are named 'y'"),
        ("ts,y\n2026-01-01,1,2\n", "line 2: 3 cells, the header has 2"),
        ("ts,y\n2026-01-01,1\n2026-01-01,2\n", "line 3: the same time as in line 2"),
        ("ts,y\nnever,1\n", "line 2: 'never' is not a time"),
        ("ts,y\n,1\n", "line 2: '' is not a time"),
        ("ts,y\n1767225600000,1\n", "divide milliseconds by 1000"),
        ("ts,y\n2026-01-01,1\n2026-01-02T00:00:00Z,2\n", "line 3: .* not written as the times before"),
        ("ts,y\n2026-01-01,nan\n", "line 2: y is 'nan', not a number; leave missing cells empty"),
        ("ts,y\n2026-01-01,inf\n", "line 2: y is 'inf'"),
        ("ts,y\n2026-01-01,1_000\n", "line 2: y is '1_000'"),
        ('ts,y\n2026-01-01,"1\n', "cannot be read as CSV"),
        ("ts,sales\n2026-01-01,1\n", "no column of numbers 'y'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        read(file(tmp_path, text), "y", None)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        read(tmp_path / "none.csv", "y", None)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path, "y", None)
    (tmp_path / "bytes.csv").write_bytes(b"ts,y\n\xff\xfe,1\n")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "bytes.csv", "y", None)


def test_an_event_is_written_as_the_file_writes_times(tmp_path: Path) -> None:
    plain = read(file(tmp_path, "ts,y\n2026-01-01,1\n2026-01-02,1\n"), "y", None)
    with pytest.raises(UsageError, match="have no offset; write it as they are"):
        event_at(plain, "2026-01-02T00:00:00Z")
    with pytest.raises(UsageError, match="'soon' is not a time"):
        event_at(plain, "soon")
    aware = read(file(tmp_path, "ts,y\n2026-01-01T00:00:00Z,1\n"), "y", None)
    with pytest.raises(UsageError, match="have an offset; give it one too"):
        event_at(aware, "2026-01-01")
    epoch = read(file(tmp_path, "ts,y\n1767225600,1\n"), "y", None)
    with pytest.raises(UsageError, match="are seconds since the epoch"):
        event_at(epoch, "2026-01-01")
