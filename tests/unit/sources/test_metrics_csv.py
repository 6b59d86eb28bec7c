from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.domain.clock import parse_ts, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import Block, Reading
from lumen_workers.loop.metrics_csv import HEADER, BadRow, Reason, RowFilter, check_header, format_block, parse_line

TS = "2026-01-31T00:05:00.200000+00:00"
unit = st.floats(0.0, 1.0)


@given(
    st.lists(st.tuples(st.integers(0, 253_402_300_799_999_999), unit, unit, unit, unit), unique_by=lambda row: row[0])
)
def test_what_is_written_reads_back_exactly(rows: list[tuple[int, float, float, float, float]]) -> None:
    block = Block.of([(ts, Reading(*values)) for ts, *values in sorted(rows)])
    lines = format_block(block).splitlines(keepends=True)
    back = Block.of([parse_line(line) for line in lines])
    assert back.ts.tolist() == block.ts.tolist()
    assert back.values.tolist() == block.values.tolist()


def test_the_form_of_a_line() -> None:
    block = Block(np.array([to_us(parse_ts(TS))]), np.array([[0.1, 1.0, 1e-6, -0.0]]))
    assert format_block(block) == f"{TS},0.1,1.0,1e-06,0.0\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-01-31T09:05:00.2+09:00,0,1,0.5,.25\r\n", (0.0, 1.0, 0.5, 0.25)),
        ("2026-01-31 00:05:00.200000Z, 0.1 ,-0.0,1e-3,1", (0.1, 0.0, 0.001, 1.0)),
    ],
)
def test_other_texts_of_the_same_sample(line: str, expected: tuple[float, ...]) -> None:
    ts_us, reading = parse_line(line)
    assert (ts_us, tuple(reading)) == (to_us(parse_ts(TS)), expected)
    assert "-" not in repr(reading)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", Reason.FIELDS),
        (f"{TS},0,0,0", Reason.FIELDS),
        (f"{TS},0,0,0,0,0", Reason.FIELDS),
        ("noon,0,0,0,0", Reason.TS),
        ("1969-12-31T23:59:59+00:00,0,0,0,0", Reason.TS),
        ("0001-01-01T00:00:00+09:00,0,0,0,0", Reason.TS),
        ("9999-12-31T23:59:59-09:00,0,0,0,0", Reason.TS),
        ("2026-01-31T00:05:00,0,0,0,0", Reason.NAIVE),
        ("2026-01-31,0,0,0,0", Reason.NAIVE),
        (f"{TS},0,0,0,", Reason.NUMBER),
        (f"{TS},0,0,x,0", Reason.NUMBER),
        (f"{TS},0_1,0,0,0", Reason.NUMBER),
        (f"{TS},٠,0,0,0", Reason.NUMBER),
        (f"{TS},0,nan,0,0", Reason.NAN),
        (f"{TS},0,0,1.0000001,0", Reason.RANGE),
        (f"{TS},-0.1,0,0,0", Reason.RANGE),
        (f"{TS},0,0,0,inf", Reason.RANGE),
    ],
)
def test_what_is_no_sample_says_why(line: str, reason: Reason) -> None:
    with pytest.raises(BadRow) as caught:
        parse_line(line)
    assert caught.value.reason is reason


def test_the_filter_keeps_times_rising() -> None:
    rows = RowFilter(10)
    rows.check(11)
    for ts_us, limit_us, reason in ((11, None, "duplicate"), (10, None, "out_of_order"), (13, 12, "future")):
        with pytest.raises(BadRow, match=f"^{reason}$"):
            rows.check(ts_us, limit_us)
    rows.check(12, 12)
    assert rows.last_us == 12


def test_the_header() -> None:
    check_header("\ufeff" + HEADER + "\r\n", "metrics.csv")
    for wrong in ("", f"{TS},0,0,0,0", HEADER + ",more", "ts,entropy_rate,phase_diff,creative_band,risk_band"):
        with pytest.raises(UsageError, match=r"metrics\.csv: the first line must be ts,phase_diff"):
            check_header(wrong, "metrics.csv")
