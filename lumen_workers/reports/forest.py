"""The day's effects as a forest plot: a row for each change, a column for each signal, intervals about zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from reportlab.lib.colors import Color
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_workers.domain.records import SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.reports import style
from lumen_workers.reports.charts import Box
from lumen_workers.reports.formats import clean, clock
from lumen_workers.reports.model import Change, DayReport, LoopDay
from lumen_workers.reports.phrases import step
from lumen_workers.reports.wording import LOCALES

MOST: Final = 40
"""Changes that fit on a page."""

ROW, TITLE, AXIS, LEGEND = 13.5, 20.0, 14.0, 16.0
"""Heights in points: of a change, of the signals' names, of the scale, of the legend."""
NAMES, SPACE = 132.0, 9.0
"""Widths in points: of the changes' names, between two signals."""
_MARK = 2.1
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class ForestPlot(Flowable):
    """``changes`` (at least one, with an interval each) from top to bottom. One scale serves all signals."""

    def __init__(self, report: DayReport, loop: LoopDay, width: float) -> None:
        super().__init__()
        self._report, self._changes = report, loop.drawn(MOST)
        self._words = LOCALES[report.locale]
        self._scale = scale([s for c in self._changes for name in SIGNALS if (s := c.signal(name)) is not None])
        self.width = width
        self.height = TITLE + len(self._changes) * ROW + AXIS + LEGEND

    def wrap(self, _available_width: float, _available_height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas, rows = self.canv, len(self._changes) * ROW
        each = (self.width - NAMES - (len(SIGNALS) - 1) * SPACE) / len(SIGNALS)
        for column, signal in enumerate(SIGNALS):
            box = Box(NAMES + column * (each + SPACE), AXIS + LEGEND, each, rows)
            self._panel(canvas, signal, box)
            for row, change in enumerate(self._changes):
                found = change.signal(signal)
                if found is not None:
                    self._interval(canvas, found, box, box.bottom + rows - (row + 0.5) * ROW)
        for row, change in enumerate(self._changes):
            self._name(canvas, change, AXIS + LEGEND + rows - (row + 0.5) * ROW - 2.5)
        self._legend(canvas)

    def _x(self, box: Box, value: float) -> float:
        share = 0.5 + 0.5 * value / self._scale
        return round(box.left + box.width * min(max(share, 0.0), 1.0), 2)

    def _panel(self, canvas: Canvas, signal: str, box: Box) -> None:
        top = box.bottom + box.height
        canvas.setFillColor(style.PAPER)
        canvas.rect(*box[:4], stroke=0, fill=1)
        canvas.setLineCap(0)
        canvas.setFont(style.REGULAR, 6.5)
        for part in (-1.0, -0.5, 0.0, 0.5, 1.0):
            x = self._x(box, part * self._scale)
            canvas.setStrokeColor(style.HAIRLINE if part else style.MUTED)
            canvas.setLineWidth(0.4 if part else 0.7)
            canvas.line(x, box.bottom, x, top)
        canvas.setFillColor(style.FAINT)
        label = f"{self._scale:g}"
        canvas.drawString(box.left, box.bottom - 9, f"–{label}")
        canvas.drawCentredString(box.left + box.width / 2, box.bottom - 9, "0")
        canvas.drawRightString(box.left + box.width, box.bottom - 9, f"+{label}")
        canvas.setFillColor(style.COLOURS[signal])
        canvas.rect(box.left, top + 5, 7, 7, stroke=0, fill=1)
        canvas.setFillColor(style.INK)
        canvas.setFont(style.BOLD, 8)
        canvas.drawString(box.left + 11, top + 5.5, self._words.signals[signal])

    def _name(self, canvas: Canvas, change: Change, baseline: float) -> None:
        canvas.setFont(style.BOLD, 7)
        canvas.setFillColor(style.INK)
        canvas.drawRightString(16, baseline, str(change.number))
        canvas.setFont(style.REGULAR, 7)
        canvas.setFillColor(style.MUTED)
        canvas.drawString(21, baseline, clock(change.event.ts, self._report.zone, seconds=False))
        text = style.glyphs(f"{clean(change.event.rule, 60)} {step(change)}")
        while style.width(text, style.REGULAR, 7) > NAMES - 50:
            text = f"{text[:-2]}…"
        canvas.setFillColor(style.INK)
        canvas.drawString(43, baseline, text)

    def _interval(self, canvas: Canvas, signal: SignalEffect, box: Box, y: float) -> None:
        if signal.lo is None or signal.hi is None or signal.delta is None:
            return
        colour = style.VERDICTS.get(signal.verdict or "", style.FAINT)
        canvas.setStrokeColor(colour)
        canvas.setLineWidth(1.0)
        canvas.line(self._x(box, signal.lo), y, self._x(box, signal.hi), y)
        canvas.setFillColor(colour)
        for end, outwards in ((signal.lo, -1), (signal.hi, 1)):
            if outwards * end > self._scale:
                _arrow(canvas, self._x(box, end), y, outwards)
        if abs(signal.delta) <= self._scale:
            _mark(canvas, signal.verdict, colour, self._x(box, signal.delta), y)

    def _legend(self, canvas: Canvas) -> None:
        x, y = NAMES, 4.5
        canvas.setFont(style.REGULAR, 7)
        for verdict, colour in style.VERDICTS.items():
            _mark(canvas, verdict, colour, x + _MARK, y + 2.4)
            label = self._words.verdicts[Verdict(verdict)]
            canvas.setFillColor(style.MUTED)
            canvas.drawString(x + 9, y, label)
            x += 21 + style.width(label, style.REGULAR, 7)


def scale(signals: Sequence[SignalEffect]) -> float:
    """Half the width of the axis: a round number that holds every Δ and four fifths of the intervals whole.

    A few very wide intervals would leave the others a dot; they are cut off, with an arrow.
    """
    known = [s for s in signals if s.lo is not None and s.hi is not None and s.delta is not None]
    reaches = sorted(max(abs(s.lo or 0.0), abs(s.hi or 0.0)) for s in known)
    largest = max((abs(s.delta or 0.0) for s in known), default=0.0)
    least = max(reaches[(4 * len(reaches) - 1) // 5] if reaches else 0.0, 1.1 * largest, 1e-3)
    unit = 10.0 ** math.floor(math.log10(least))
    return next(round(unit * factor, 9) for factor in _STEPS if unit * factor >= least * (1 - 1e-9))


def _mark(canvas: Canvas, verdict: str | None, colour: Color, x: float, y: float) -> None:
    """By shape, too: a full disc for better, a full square for worse, an open disc for no change, else a diamond."""
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(0.9)
    canvas.setFillColor(colour if verdict in (Verdict.IMPROVED, Verdict.WORSENED) else style.PAPER)
    if verdict == Verdict.WORSENED:
        canvas.rect(round(x - _MARK, 2), round(y - _MARK, 2), 2 * _MARK, 2 * _MARK, stroke=0, fill=1)
    elif verdict in (Verdict.IMPROVED, Verdict.NO_CHANGE_DETECTABLE):
        canvas.circle(x, y, _MARK, stroke=1, fill=1)
    else:
        _polygon(canvas, [(x - 2.7, y), (x, y + 2.7), (x + 2.7, y), (x, y - 2.7)], stroke=1)


def _arrow(canvas: Canvas, x: float, y: float, outwards: int) -> None:
    _polygon(canvas, [(x, y), (x - outwards * 3.5, y + 2), (x - outwards * 3.5, y - 2)], stroke=0)


def _polygon(canvas: Canvas, corners: Sequence[tuple[float, float]], stroke: int) -> None:
    path = canvas.beginPath()
    path.moveTo(*(round(part, 2) for part in corners[0]))
    for corner in corners[1:]:
        path.lineTo(*(round(part, 2) for part in corner))
    path.close()
    canvas.drawPath(path, stroke=stroke, fill=1)
