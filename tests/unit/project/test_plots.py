"""The pictures of the figures: well-formed, in bounds, the same at every run, and there for every benchmark named."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def plot() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "_plot.py"))


def test_lines_stay_within_the_picture_and_keep_their_order(plot: dict[str, Any]) -> None:
    lines = {"a": [(1, 0.0), (500, 251.3)], "b": [(1, 0.5), (500, 40.0)]}
    chart = plot["Chart"]("Regret", "rounds", lines)
    text = plot["render"]([chart, chart], "two charts")
    assert plot["render"]([chart, chart], "two charts") == text
    root = ET.fromstring(text)
    wide, high = (float(part) for part in root.attrib["viewBox"].split()[2:])
    found = [line.attrib for line in root.iter(f"{SVG}polyline")]
    assert [line["stroke"] for line in found] == ["var(--c0)", "var(--c1)"] * 2
    ends = []
    for line in found:
        points = [tuple(map(float, point.split(","))) for point in line["points"].split()]
        assert all(0 < x < wide and 0 < y < high for x, y in points)
        ends.append(points[-1])
    # The larger value stands higher, and the second chart to the right of the first.
    assert ends[0][1] < ends[1][1]
    assert ends[2][0] > ends[0][0]
    labels = [element.text for element in root.iter(f"{SVG}text")]
    assert {"Regret", "rounds", "0", "100", "300", "a", "b"} <= set(labels)


def test_more_lines_than_colours_are_refused(plot: dict[str, Any]) -> None:
    chart = plot["Chart"]("", "", {str(number): [(1, 1)] for number in range(6)})
    with pytest.raises(ValueError, match="6 lines, and 5 colours"):
        plot["render"]([chart], "")


def test_every_picture_stands_in_a_page(plot: dict[str, Any]) -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    for name in plot["PICTURES"]:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
        assert re.search(rf"!\[.+\]\({name}\.svg\)", pages)
        ET.parse(ROOT / "docs" / f"{name}.svg")
