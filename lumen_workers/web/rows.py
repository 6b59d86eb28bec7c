"""The rows of a request: objects, columns, or lines of the S02 form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import SIGNALS, Reading
from lumen_workers.loop.metrics_csv import (
    COLUMNS,
    BadRow,
    Reason,
    check_header,
    check_reading,
    check_ts,
    parse_line,
    read_ts,
)
from lumen_workers.web.desk import check_keys, parse_object

MOST_ROWS: Final = 10_000
"""In one request."""

Row = tuple[int, Reading] | Reason
"""A sample, or why it is none."""

_NAMES: Final = frozenset(COLUMNS)


def of_json(body: bytes, loop: str | None) -> tuple[str, Sequence[Row]]:
    """``{"loop": …, "samples": [{"ts": …, "phase_diff": …, …}]}``, or ``"columns": {"ts": […], …}`` in their place.

    ``ts`` is ISO 8601 with an offset, or whole microseconds since the epoch. ``loop`` may stand in the query instead.
    400, 413.
    """
    found = parse_object(body)
    check_keys(found, frozenset(), frozenset({"loop", "samples", "columns"}))
    if ("samples" in found) == ("columns" in found):
        raise HTTPException(400, "give samples or columns, one of them")
    name = _name(found.get("loop"), loop)
    if "columns" in found:
        return name, _of_columns(found["columns"])
    if not isinstance(found["samples"], list):
        raise HTTPException(400, "samples: must be a list of objects")
    _limit(len(found["samples"]))
    return name, [_row(sample) for sample in found["samples"]]


def of_csv(body: bytes, loop: str | None) -> tuple[str, Sequence[Row]]:
    """Lines of ``metrics.csv`` with its header; the loop stands in the query. 400, 413."""
    name = _name(None, loop)
    lines = body.decode("utf-8", "replace").splitlines()
    try:
        check_header(lines[0] if lines else "", "the body")
    except UsageError as error:
        raise HTTPException(400, str(error)) from None
    rows = [line for line in lines[1:] if line.strip()]
    _limit(len(rows))
    return name, [_line(line) for line in rows]


def _of_columns(columns: object) -> Sequence[Row]:
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise HTTPException(400, f"columns: must hold the lists {', '.join(COLUMNS)}")
    check_keys(columns, _NAMES, _NAMES)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise HTTPException(400, "columns: the lists must have the same length")
    _limit(lengths.pop())
    return [_sample(*values) for values in zip(*(columns[name] for name in COLUMNS), strict=True)]


def _row(sample: object) -> Row:
    if not isinstance(sample, Mapping) or sample.keys() != _NAMES:
        return Reason.FIELDS
    return _sample(sample["ts"], *(sample[name] for name in SIGNALS))


def _sample(ts: Any, *values: Any) -> Row:
    try:
        if isinstance(ts, str):
            ts_us = read_ts(ts.strip())
        elif isinstance(ts, int) and not isinstance(ts, bool):
            ts_us = check_ts(ts)
        else:
            return Reason.TS
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return Reason.NUMBER
        return ts_us, check_reading(Reading(*(float(value) + 0.0 for value in values)))
    except BadRow as bad:
        return bad.reason
    except OverflowError:
        return Reason.RANGE


def _line(line: str) -> Row:
    try:
        return parse_line(line)
    except BadRow as bad:
        return bad.reason


def _name(told: object, asked: str | None) -> str:
    """The loop's name, from the body or the query."""
    if told is None and asked is not None:
        return asked
    if not isinstance(told, str) or asked not in (None, told):
        raise HTTPException(400, "loop: name it once, in the body or as ?loop=")
    return told


def _limit(rows: int) -> None:
    if rows > MOST_ROWS:
        raise HTTPException(413, f"{rows} rows; send at most {MOST_ROWS} at once")
