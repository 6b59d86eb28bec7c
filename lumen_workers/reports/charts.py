"""The day's signals as vector charts: a band from minimum to maximum of each bin, thresholds, rule markers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports import style
from lumen_workers.reports.formats import clock, plain, rule_value
from lumen_workers.reports.model import Change, DayReport, LoopDay, Threshold
from lumen_workers.reports.series import Axis, Series
from lumen_workers.reports.wording import LOCALES

PANEL, TITLE, MARKERS, TIMES = 92.0, 20.0, 15.0, 16.0
"""Heights in points: of a panel, of its title, of the marker numbers above all panels, of the times below them."""
GUTTER = 22.0
"""Width in points that the numbers of the y axis take."""
MANY = 60
"""Rule changes that get lines through the whole panel."""


class Box(NamedTuple):
    """Where a chart is drawn, in points; its y axis goes from 0 to ``top``."""

    left: float
    bottom: float
    width: float
    height: float
    top: float = 1.0

    def x(self, axis: Axis, ts_us: float) -> float:
        return round(self.left + self.width * (ts_us - axis.start_us) / (axis.end_us - axis.start_us), 2)

    def y(self, value: float) -> float:
        return round(self.bottom + self.height * min(max(value / self.top, 0.0), 1.0), 2)


def draw_band(canvas: Canvas, series: Series, signal: str, box: Box, line: float = 0.5) -> None:
    """One signal as filled bands, one for each stretch without missing data."""
    column, bins = SIGNALS.index(signal), len(series.count)
    canvas.setFillColor(style.TINTS[signal])
    canvas.setStrokeColor(style.COLOURS[signal])
    canvas.setLineWidth(line)
    canvas.setLineJoin(1)
    canvas.setLineCap(1)
    for run in series.runs():
        xs = [round(box.left + box.width * (i + 0.5) / bins, 2) for i in run.tolist()]
        tops = [box.y(v) for v in series.high[run, column].tolist()]
        bottoms = [box.y(v) for v in series.low[run, column].tolist()]
        path = canvas.beginPath()
        path.moveTo(xs[0], tops[0])
        for x, y in zip(xs[1:], tops[1:], strict=True):
            path.lineTo(x, y)
        for x, y in zip(reversed(xs), reversed(bottoms), strict=True):
            path.lineTo(x, y)
        path.close()
        canvas.drawPath(path, stroke=1, fill=1)


class SignalCharts(Flowable):
    """Four panels over one time axis. The report's zone gives the times."""

    def __init__(self, report: DayReport, loop: LoopDay, width: float) -> None:
        super().__init__()
        self._report, self._loop = report, loop
        self._words = LOCALES[report.locale]
        self.width = width
        self.height = MARKERS + len(SIGNALS) * (PANEL + TITLE) + TIMES

    def wrap(self, _available_width: float, _available_height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        canvas, loop = self.canv, self._loop
        boxes = [
            Box(GUTTER, self.height - MARKERS - (n + 1) * (PANEL + TITLE), self.width - GUTTER, PANEL)
            for n in range(len(SIGNALS))
        ]
        for signal, box in zip(SIGNALS, boxes, strict=True):
            self._panel(canvas, box)
            self._lines(canvas, box)
            if loop.series:
                draw_band(canvas, loop.series, signal, box)
            else:
                self._nothing(canvas, box)
            for threshold in loop.thresholds:
                if threshold.signal == signal:
                    self._threshold(canvas, threshold, box)
            self._title(canvas, signal, box)
        self._times(canvas, boxes[-1])
        self._numbers(canvas, boxes[0])

    def _panel(self, canvas: Canvas, box: Box) -> None:
        canvas.setFillColor(style.PAPER)
        canvas.rect(*box[:4], stroke=0, fill=1)
        canvas.setLineCap(0)
        canvas.setLineWidth(0.4)
        canvas.setStrokeColor(style.HAIRLINE)
        for mark in self._loop.axis.marks():
            x = box.x(self._loop.axis, mark)
            canvas.line(x, box.bottom, x, box.bottom + box.height)
        canvas.setFillColor(style.FAINT)
        canvas.setFont(style.REGULAR, 6.5)
        for value, label in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
            canvas.line(box.left, box.y(value), box.left + box.width, box.y(value))
            canvas.drawRightString(box.left - 5, box.y(value) - 2.2, label)

    def _nothing(self, canvas: Canvas, box: Box) -> None:
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 8.5)
        canvas.drawCentredString(box.left + box.width / 2, box.bottom + box.height * 0.72, self._words.no_samples)

    def _title(self, canvas: Canvas, signal: str, box: Box) -> None:
        baseline = box.bottom + box.height + 5.5
        canvas.setFillColor(style.COLOURS[signal])
        canvas.rect(box.left, baseline - 0.5, 7, 7, stroke=0, fill=1)
        canvas.setFillColor(style.INK)
        canvas.setFont(style.BOLD, 9)
        canvas.drawString(box.left + 12, baseline, self._words.signals[signal])
        parts = []
        if self._loop.series:
            low, high = self._loop.series.extremes()[SIGNALS.index(signal)]
            parts.append(f"{plain(low)} – {plain(high)}")
        for threshold in self._loop.thresholds:
            if threshold.signal == signal:
                wording = self._words.floor if threshold.floor else self._words.ceiling
                parts.append(wording.format(value=" → ".join(_course(threshold))))
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 7.5)
        canvas.drawRightString(box.left + box.width, baseline, "   ·   ".join(parts))

    def _threshold(self, canvas: Canvas, threshold: Threshold, box: Box) -> None:
        axis = self._loop.axis
        ends = [ts for ts, _ in threshold.steps[1:]] + [axis.end_us]
        canvas.saveState()
        canvas.setStrokeColor(style.COLOURS[threshold.signal])
        canvas.setLineWidth(0.8)
        canvas.setDash(3, 2)
        for (start, value), end in zip(threshold.steps, ends, strict=True):
            left, right = max(start, axis.start_us), min(end, axis.end_us)
            if left < right and 0 <= value <= 1:
                canvas.line(box.x(axis, left), box.y(value), box.x(axis, right), box.y(value))
        canvas.restoreState()

    def _times(self, canvas: Canvas, box: Box) -> None:
        axis = self._loop.axis
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 7)
        edge = box.left + box.width
        for mark in axis.marks():
            label = clock(mark, self._report.zone, seconds=axis.step_us < 60 * US)
            x, half = box.x(axis, mark), style.width(label, style.REGULAR, 7) / 2
            canvas.drawCentredString(min(max(x, box.left + half), edge - half), box.bottom - 11, label)

    def _lines(self, canvas: Canvas, box: Box) -> None:
        """A line at each rule change, behind the band; very many would hide it, they get a short tick at the top."""
        canvas.setLineWidth(0.5)
        canvas.setStrokeColor(style.FAINT)
        top = box.bottom + box.height
        bottom = box.bottom if len(self._loop.changes) <= MANY else top - 5
        for change in self._loop.changes:
            x = box.x(self._loop.axis, to_us(change.event.ts))
            canvas.line(x, bottom, x, top)

    def _numbers(self, canvas: Canvas, box: Box) -> None:
        """The numbers of the rule changes, above all panels."""
        bottom = box.bottom + PANEL + TITLE + 1.5
        canvas.setFont(style.BOLD, 7)
        for centre, half, label in _labels(self._loop.changes, self._loop.axis, box):
            canvas.setFillColor(style.INK)
            canvas.roundRect(centre - half, bottom, 2 * half, 11, 5.5, stroke=0, fill=1)
            canvas.setFillColor(style.PAPER)
            canvas.drawCentredString(centre, bottom + 3.1, label)


def _course(threshold: Threshold) -> list[str]:
    """A threshold's values in order; of many only the first and the last."""
    values = [rule_value(value) for _, value in threshold.steps]
    return values if len(values) <= 3 else [values[0], "…", values[-1]]


def _labels(changes: Sequence[Change], axis: Axis, box: Box) -> list[tuple[float, float, str]]:
    """Centre, half width and text of the markers' numbers; those that would overlap share one, such as ``3–7``."""
    labels: list[tuple[float, float, str]] = []
    groups: list[list[tuple[float, int]]] = []
    for change in changes:
        groups.append([(box.x(axis, to_us(change.event.ts)), change.number)])
        labels.append(_label(groups[-1], box))
        while len(groups) > 1 and labels[-1][0] - labels[-1][1] < labels[-2][0] + labels[-2][1] + 1:
            last = groups.pop()
            groups[-1] += last
            labels[-2:] = [_label(groups[-1], box)]
    return labels


def _label(group: Sequence[tuple[float, int]], box: Box) -> tuple[float, float, str]:
    (first_x, first), (last_x, last) = group[0], group[-1]
    text = str(first) if first == last else f"{first}–{last}"
    half = style.width(text, style.BOLD, 7) / 2 + 4
    return min(max((first_x + last_x) / 2, box.left + half), box.left + box.width - half), half, text
