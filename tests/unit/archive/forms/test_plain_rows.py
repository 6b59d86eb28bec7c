"""The array reader of metrics.csv against the line parser: the same samples, or a closer look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.history import noisy

from lumen_workers.archive.forms.samples import estimate_rate, parse_plain
from lumen_workers.domain.signals import RATES_HZ, Block
from lumen_workers.loop.metrics_csv import BadRow, RowFilter, format_block, parse_line


def by_lines(text: str) -> Block | None:
    """What the line parser makes of the text; None when it refuses a row."""
    order, rows = RowFilter(), []
    try:
        for line in text.splitlines():
            ts_us, reading = parse_line(line)
            order.check(ts_us)
            rows.append((ts_us, reading))
    except BadRow:
        return None
    return Block.of(rows)


def same(a: Block, b: Block) -> bool:
    return np.array_equal(a.ts, b.ts) and np.array_equal(a.values, b.values)


def test_exported_rows_are_read_as_arrays() -> None:
    block = noisy(0, 100)

    found = parse_plain(format_block(block).encode(), None)

    assert found is not None
    assert same(found, block)


@pytest.mark.parametrize(
    "ts",
    [
        "2026-01-31T00:05:00Z",
        "2026-01-31T00:05:00.2Z",
        "2026-01-31T00:05:00.200Z",
        "2026-01-31T00:05:00.200001Z",
        "2026-01-31T09:05:00+09:00",
        "2026-01-31 09:05:00.200+09:00",
        "2026-01-31T09:05:00.200001-03:30",
        "2024-02-29T23:59:59.999999+00:00",
        "1970-01-01T00:00:00.000000+00:00",
        "9999-12-31T23:59:59.999999+00:00",
    ],
)
def test_every_usual_form_of_a_time_is_the_same_instant(ts: str) -> None:
    line = f"{ts},0.1,0.2,0.3,1\n"

    found = parse_plain(line.encode(), None)
    expected = by_lines(line)

    assert expected is not None
    if ts != "2026-01-31T00:05:00.2Z":
        assert found is not None
        assert same(found, expected)
    else:
        assert found is None


def test_rows_of_different_forms_stand_side_by_side() -> None:
    text = (
        "2026-01-31T09:05:00+09:00,0.1,0.2,0.3,0.4\r\n"
        "2026-01-31T00:05:00.200Z,0.5,5e-1,+0.5,.5\r\n"
        "2026-01-31T00:05:00.400001+00:00,0,1,0.0,1.0"
    )

    found, expected = parse_plain(text.encode(), None), by_lines(text)

    assert found is not None
    assert expected is not None
    assert same(found, expected)


LINE = "2026-01-31T00:05:00.200000+00:00,0.1,0.2,0.3,0.4"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T00:05:00.200000,0.1,0.2,0.3,0.4",
        "1969-12-31T23:59:59.999999+00:00,0.1,0.2,0.3,0.4",
        "9999-12-31T23:59:59.999999-00:01,0.1,0.2,0.3,0.4",
        "2026-02-29T00:05:00.200000+00:00,0.1,0.2,0.3,0.4",
        "2026-01-31T24:00:00.000000+00:00,0.1,0.2,0.3,0.4",
        "2026-01-31T00:60:00.200000+00:00,0.1,0.2,0.3,0.4",
        "2026-01-31T00:05:60.200000+00:00,0.1,0.2,0.3,0.4",
        "2026-01-31T00:05:00.200000+24:00,0.1,0.2,0.3,0.4",
        "2026-01-31T00:05:00.200000+09:60,0.1,0.2,0.3,0.4",
        "2026-01-31T00:05:00,200000+00:00,0.1,0.2,0.3",
        LINE + ",0.5",
        LINE[:-4],
        LINE[:-1] + "1.1",
        LINE[:-3] + "-.1",
        LINE[:-3] + "nan",
        LINE[:-3] + "",
        LINE[:-3] + " ",
        LINE[:-3] + "0.1-1",
        LINE[:-3] + "1e",
        LINE.replace("0.2,0.3", " ,0.3"),
        LINE.replace("0.2,0.3", ",0.3"),
        LINE.replace("0.2,0.3", "0,2,0.3").replace(",0.4", ""),
        LINE + "\n" + LINE,
        LINE + "\n\n",
        LINE + "\n" + LINE.replace("00:05", "00:04"),
        "2026-01-31T00:05:00.200000+00:00,0.1,0.2,0.3\n0.4,2026-01-31T00:05:00.400000+00:00,0.1,0.2,0.3,0.4",
    ],
)
def test_anything_odd_gets_a_closer_look(text: str) -> None:
    assert parse_plain(text.encode(), None) is None


def test_rows_must_come_after_the_last_one() -> None:
    block = noisy(0, 1)
    text = format_block(block).encode()

    assert parse_plain(text, int(block.ts[0])) is None
    assert parse_plain(text, int(block.ts[0]) - 1) is not None


@given(text=st.text(alphabet="0123456789+-.:,TZeE \n", max_size=120))
@example(text=LINE.replace("0.2", " "))
def test_it_takes_nothing_that_the_line_parser_refuses(text: str) -> None:
    found = parse_plain(text.encode(), None)

    if found is not None:
        expected = by_lines(text)
        assert expected is not None
        assert same(found, expected)


@given(place=st.integers(0, len(LINE) - 1), char=st.sampled_from("0123456789+-.:,TZeE \nx"))
def test_one_changed_character_never_reads_differently(place: int, char: str) -> None:
    text = LINE[:place] + char + LINE[place + 1 :] + "\n"
    found = parse_plain(text.encode(), None)

    if found is not None:
        expected = by_lines(text)
        assert expected is not None
        assert same(found, expected)


@pytest.mark.parametrize("rate", RATES_HZ)
def test_the_rate_is_estimated_from_the_median_distance(rate: int) -> None:
    block = noisy(0, 60, rate_hz=rate)
    jitter = np.random.default_rng(3).integers(-5000, 5000, len(block)) // rate
    gap = Block(np.sort(block.ts + jitter + np.where(np.arange(len(block)) > 20, 90_000_000, 0)), block.values)

    assert estimate_rate(gap) == rate
    assert estimate_rate(block.slice(0, 0)) == 5
