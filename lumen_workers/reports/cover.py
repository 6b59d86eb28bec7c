"""The cover: what day this is, how it was sealed, and what the day looked like."""

from __future__ import annotations

import math

from reportlab.lib.colors import Color
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports import style
from lumen_workers.reports.charts import Box, draw_band
from lumen_workers.reports.formats import MISSING, clock, moment, share, whole
from lumen_workers.reports.model import DayReport, LoopDay
from lumen_workers.reports.wording import LOCALES, Words

MARGIN = 56.0
STRIPS, ROWS = 3, 6
_DRAWN = ("risk_band", "creative_band")
"""How many loops the cover draws, and how many it lists."""


def draw_cover(canvas: Canvas, report: DayReport) -> None:
    """Fill the current page."""
    words = LOCALES[report.locale]
    page_width, page_height = A4
    right = page_width - MARGIN
    _head(canvas, report, words, right, page_height)
    _strips(canvas, report, Box(MARGIN, 372, right - MARGIN, 248))
    _figures(canvas, report, words, Box(MARGIN, 300, right - MARGIN, 48))
    _loops(canvas, report, words, Box(MARGIN, 148, right - MARGIN, 124))
    _seal(canvas, report, words, Box(MARGIN, 44, right - MARGIN, 84))


def _head(canvas: Canvas, report: DayReport, words: Words, right: float, height: float) -> None:
    canvas.setFillColor(style.ACCENT)
    canvas.rect(0, height - 6, right + MARGIN, 6, stroke=0, fill=1)
    canvas.setFont(style.BOLD, 8.5)
    canvas.drawString(MARGIN, height - 70, "LUMEN WORKERS", charSpace=2.2)
    state = words.provisional if report.provisional else words.final
    _badge(canvas, f"{state} · {words.revision.format(n=report.revision)}", right, height - 74, report.provisional)
    canvas.setFillColor(style.INK)
    canvas.setFont(style.BOLD, 34)
    canvas.drawString(MARGIN - 1, height - 134, words.title)
    canvas.setFont(style.REGULAR, 15)
    canvas.drawString(MARGIN, height - 164, words.day(report.day))
    canvas.setFillColor(style.MUTED)
    canvas.setFont(style.REGULAR, 9.5)
    period = f"{moment(report.start, report.zone)}  –  {moment(report.cutoff, report.zone)}"
    canvas.drawString(MARGIN, height - 184, f"{style.glyphs(report.zone.key)}   ·   {period}")


def _badge(canvas: Canvas, text: str, right: float, baseline: float, provisional: bool) -> None:
    colour = style.ALARM if provisional else style.ACCENT
    width = style.width(text, style.BOLD, 8.5) + 20
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(0.9)
    canvas.roundRect(right - width, baseline - 3, width, 19, 9.5, stroke=1, fill=0)
    canvas.setFillColor(colour)
    canvas.setFont(style.BOLD, 8.5)
    canvas.drawCentredString(right - width / 2, baseline + 3.4, text)


def _strips(canvas: Canvas, report: DayReport, area: Box) -> None:
    """The day's course of each loop: creative and risk band, one strip a loop."""
    drawn = [loop for loop in report.loops if loop.series][:STRIPS]
    if not drawn:
        words = LOCALES[report.locale]
        canvas.setFillColor(style.PAPER)
        canvas.rect(*area[:4], stroke=0, fill=1)
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 11)
        text = words.no_samples if report.loops else words.no_loops
        canvas.drawCentredString(area.left + area.width / 2, area.bottom + area.height / 2 - 4, text)
        return
    each = area.height / len(drawn)
    for number, loop in enumerate(drawn):
        bottom = area.bottom + area.height - (number + 1) * each
        _strip(canvas, report, loop, Box(area.left, bottom + 16, area.width, each - 22))


def _strip(canvas: Canvas, report: DayReport, loop: LoopDay, box: Box) -> None:
    assert loop.series is not None
    canvas.setFillColor(style.PAPER)
    canvas.rect(*box[:4], stroke=0, fill=1)
    ranges = dict(zip(SIGNALS, loop.series.extremes(), strict=True))
    # The strip shows the course, not the level: its scale ends at the next tenth above both bands, and says so.
    top = max(math.ceil(max(ranges[signal][1] for signal in _DRAWN) * 10) / 10, 0.1)
    box = box._replace(top=top)
    for signal in _DRAWN:
        draw_band(canvas, loop.series, signal, box, 0.6)
    canvas.setFillColor(style.FAINT)
    canvas.setFont(style.REGULAR, 6.5)
    canvas.drawRightString(box.left - 5, box.bottom + box.height - 5, f"{top:g}")
    canvas.drawRightString(box.left - 5, box.bottom, "0")
    canvas.setFont(style.REGULAR, 7.5)
    canvas.setFillColor(style.MUTED)
    canvas.drawString(box.left, box.bottom - 11, clock(loop.axis.start_us, report.zone))
    canvas.drawRightString(box.left + box.width, box.bottom - 11, clock(loop.axis.end_us, report.zone))
    words = LOCALES[report.locale]
    legend = ((style.INK, loop.name), *((style.COLOURS[s], words.signals[s]) for s in _DRAWN))
    total = sum(style.width(text, style.BOLD, 7.5) + 12 for _, text in legend) - 12
    left = box.left + (box.width - total) / 2
    for colour, text in legend:
        canvas.setFillColor(colour)
        canvas.setFont(style.BOLD, 7.5)
        canvas.drawString(left, box.bottom - 11, text)
        left += style.width(text, style.BOLD, 7.5) + 12


def _figures(canvas: Canvas, report: DayReport, words: Words, area: Box) -> None:
    present = sum(loop.coverage.present for loop in report.loops)
    expected = sum(loop.coverage.expected for loop in report.loops)
    figures = (
        (words.samples, whole(report.samples)),
        (words.coverage, share(present, expected)),
        (words.changes, whole(report.changes)),
        (words.quotes_figure, whole(len(report.quotes))),
        (words.risks_figure, whole(len(report.risks))),
    )
    column = area.width / len(figures)
    for number, (label, value) in enumerate(figures):
        left = area.left + number * column
        canvas.setFillColor(style.INK)
        canvas.setFont(style.BOLD, 19)
        canvas.drawString(left, area.bottom + 18, value)
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 8)
        canvas.drawString(left, area.bottom + 3, label)


def _loops(canvas: Canvas, report: DayReport, words: Words, area: Box) -> None:
    columns = (0.0, 0.34, 0.52, 0.68, 0.84, 1.0)
    header = (words.loop, words.rate, words.samples, words.coverage, words.missing, words.changes)
    top = area.bottom + area.height
    _row(canvas, header, columns, area, top - 9, style.BOLD, style.MUTED, 7.5)
    canvas.setStrokeColor(style.HAIRLINE)
    canvas.setLineWidth(0.6)
    canvas.line(area.left, top - 15, area.left + area.width, top - 15)
    for number, loop in enumerate(report.loops[:ROWS]):
        cells = (
            loop.name,
            f"{loop.rate_hz} Hz",
            whole(loop.samples),
            share(loop.coverage.present, loop.coverage.expected),
            whole(loop.coverage.missing) if loop.samples else MISSING,
            whole(len(loop.changes)),
        )
        _row(canvas, cells, columns, area, top - 28 - 15 * number, style.REGULAR, style.INK, 9)
    if len(report.loops) > ROWS:
        more = words.more_loops.format(n=len(report.loops) - ROWS)
        _row(canvas, (more,), columns, area, top - 28 - 15 * ROWS, style.REGULAR, style.MUTED, 8)


def _row(
    canvas: Canvas,
    cells: tuple[str, ...],
    columns: tuple[float, ...],
    area: Box,
    baseline: float,
    font: str,
    colour: Color,
    size: float,
) -> None:
    canvas.setFont(font, size)
    canvas.setFillColor(colour)
    canvas.drawString(area.left, baseline, style.glyphs(cells[0]))
    for cell, column in zip(cells[1:], columns[1:], strict=False):
        canvas.drawRightString(area.left + area.width * column, baseline, style.glyphs(cell))


def _seal(canvas: Canvas, report: DayReport, words: Words, area: Box) -> None:
    canvas.setStrokeColor(style.HAIRLINE)
    canvas.setLineWidth(0.6)
    canvas.line(area.left, area.bottom + area.height, area.left + area.width, area.bottom + area.height)
    facts = (
        (words.seal, report.seal_digest),
        (words.previous_seal, report.prev_digest or MISSING),
        (words.sealed, moment(report.sealed_at, report.zone)),
        (words.code, report.code_version),
        (words.root, report.root_fingerprint or MISSING),
    )
    for number, (label, value) in enumerate(facts):
        baseline = area.bottom + area.height - 16 - 14 * number
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 7.5)
        canvas.drawString(area.left, baseline, label)
        canvas.setFillColor(style.INK)
        canvas.drawString(area.left + 84, baseline, style.glyphs(value))
