"""The picture of an impact analysis: what is in it, as SVG and as PDF."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader
from reportlab.graphics.shapes import Line, Polygon, PolyLine, String
from support.proofs.impact import Cell, options, simulate

from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.impact import ImpactReport, analyse
from lumen_workers.reports.impact_picture import POINTS, draw, save, svg

CELL = Cell(name="small", phi=0.6, effect=1.5, contamination=5.0, pre=150, post=90, washout=20)


@pytest.fixture(scope="module")
def report() -> ImpactReport:
    data, event_us = simulate(CELL, np.random.default_rng(1))
    return analyse(data, event_us, options(CELL, opinion=False))


def test_three_panels_with_bands_lines_and_words(report: ImpactReport) -> None:
    drawing = draw(report)
    parts = drawing.contents
    texts = [part.text for part in parts if isinstance(part, String)]
    for text in ("y around the event", "effect", "sum of the effects up to here", "seconds from the event", "0", "-10"):
        assert text in texts
    assert any(text.startswith("y was ") for text in texts)
    assert sum(isinstance(part, Polygon) for part in parts) == 3
    # Observed and expected have the washout between their two parts.
    assert sum(isinstance(part, PolyLine) for part in parts) == 6
    for part in parts:
        if isinstance(part, Line):
            assert 0 <= part.x1 <= drawing.width
            assert 0 <= part.y1 <= drawing.height
        if isinstance(part, PolyLine | Polygon):
            assert min(part.points) >= 0
            assert max(part.points[0::2]) <= drawing.width


def test_a_gap_is_not_drawn_over() -> None:
    data, event_us = simulate(CELL, np.random.default_rng(1))
    y = data.y.copy()
    y[50:70] = np.nan
    drawing = draw(analyse(replace(data, y=y), event_us, options(CELL, opinion=False)))
    assert sum(isinstance(part, PolyLine) for part in drawing.contents) == 8


def test_long_series_are_folded(report: ImpactReport) -> None:
    path = report.path
    assert path is not None
    n = 5_000
    grown = replace(
        path,
        ts=np.arange(n, dtype=np.int64) * 1_000_000 + path.ts[0],
        observed=np.resize(path.observed, n),
        expected=np.resize(path.expected, n),
    )
    lines = [part for part in draw(replace(report, path=grown)).contents if isinstance(part, PolyLine)]
    assert max(len(line.points) for line in lines) <= 2 * POINTS


def test_svg_and_pdf(report: ImpactReport, tmp_path: Path) -> None:
    assert ET.fromstring(svg(draw(report))).tag.endswith("svg")
    save(report, tmp_path / "a.svg")
    assert "nan" not in (tmp_path / "a.svg").read_text("utf-8").lower().replace("nanum", "")
    for name in ("a.pdf", "b.pdf"):
        save(report, tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    (page,) = PdfReader(tmp_path / "a.pdf").pages
    assert "observed, and expected without the event" in page.extract_text()


def test_what_cannot_be_drawn_is_said(report: ImpactReport, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the name ends in \.svg or \.pdf"):
        save(report, tmp_path / "a.png")
    with pytest.raises(UsageError, match="nothing to draw"):
        draw(replace(report, path=None))
    assert list(tmp_path.iterdir()) == []
