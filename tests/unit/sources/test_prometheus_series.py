from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumen_workers.adapters.sources.options import SeriesOptions
from lumen_workers.adapters.sources.series import MetricSignal, Point, exposition, query_values, scaled

PAGE = """# HELP load Load.
# TYPE load gauge
load 0.5
load_more 9
# TYPE cpu_seconds_total counter
cpu_seconds_total{cpu="0",mode="idle"} 100.5
cpu_seconds_total{cpu="1",mode="idle"} 200.5 1700000000000
cpu_seconds_total{cpu="0",mode="user"} 1e3
odd{text="a\\"b} c"} NaN
this line { is not parsed when it is not asked for
"""


def test_only_the_named_metrics_are_read() -> None:
    points = exposition(PAGE, ["load", "cpu_seconds_total", "absent"])
    assert [(p.name, p.value) for p in points] == [
        ("load", 0.5),
        ("cpu_seconds_total", 100.5),
        ("cpu_seconds_total", 200.5),
        ("cpu_seconds_total", 1000.0),
    ]
    assert ("mode", "user") in points[3].labels
    assert math.isnan(exposition(PAGE, ["odd"])[0].value)
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own
        exposition("load is high\n", ["load"])


def test_labels_choose_and_combine_joins() -> None:
    points = exposition(PAGE, ["cpu_seconds_total"])
    for combine, expected in (("sum", 301.0), ("mean", 150.5), ("max", 200.5), ("min", 100.5)):
        options = SeriesOptions.model_validate(
            {"metric": "cpu_seconds_total", "labels": {"mode": "idle"}, "combine": combine, "max": 1000.0}
        )
        assert MetricSignal(options, 5.0).value(points, 0.0) == pytest.approx(expected / 1000)


def test_scale_offset_and_range() -> None:
    options = SeriesOptions(metric="m", scale=0.01, offset=-0.1, min=-0.5, max=1.5)
    assert scaled(options, [30.0]) == pytest.approx((0.3 - 0.1 + 0.5) / 2.0)
    assert scaled(options, [1e9]) == 1.0
    assert scaled(options, [-1e9]) == 0.0
    assert scaled(options, []) is None
    for value in (math.nan, math.inf, -math.inf):
        assert scaled(options, [value]) is None
    assert scaled(options, [math.inf, -math.inf]) is None
    assert scaled(options, [1e308, 1e308]) is None


@given(st.lists(st.floats(), max_size=5), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_a_signal_is_in_range_or_missing(values: list[float], low: float, width: float) -> None:
    signal = scaled(SeriesOptions(metric="m", min=low, max=low + width), values)
    assert signal is None or 0.0 <= signal <= 1.0


def counter(*values: float) -> list[Point]:
    return [Point("c", frozenset({("cpu", str(k))}), value) for k, value in enumerate(values)]


def test_rates() -> None:
    signal = MetricSignal(SeriesOptions(metric="c", rate=True, max=10.0), 2.0)
    assert signal.value(counter(100.0, 50.0), 10.0) is None  # one scrape is no rate
    assert signal.value(counter(101.0, 51.0), 11.0) == pytest.approx(0.2)
    assert signal.value(counter(102.0, 52.0), 12.0) == pytest.approx(0.2)
    assert signal.value(counter(106.0, 56.0), 13.0) == pytest.approx(0.5)  # over [11, 13]
    assert signal.value(counter(2.0, 57.0), 14.0) is None  # a reset says nothing
    assert signal.value(counter(3.0, 58.0), 15.0) == pytest.approx(0.2)
    assert signal.value(counter(4.0, 59.0, 7.0), 16.0) == pytest.approx(0.2)  # a new series has no rate yet
    assert signal.value([], 17.0) is None


def answer(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def test_query_answers() -> None:
    assert query_values(answer("vector", [{"metric": {}, "value": [1.5, "0.25"]}])) == [0.25]
    assert query_values(answer("vector", [])) == []
    assert query_values(answer("scalar", [1.5, "2"])) == [2.0]
    assert math.isnan(query_values(answer("scalar", [1.5, "NaN"]))[0])
    wrongs: tuple[Any, ...] = (
        answer("matrix", []),
        answer("vector", [{"metric": {}}]),
        {"status": "error", "error": "bad query"},
        {"status": "success"},
        [],
        None,
        "text",
    )
    for wrong in wrongs:
        with pytest.raises(ValueError):  # noqa: PT011 - any reason
            query_values(wrong)
