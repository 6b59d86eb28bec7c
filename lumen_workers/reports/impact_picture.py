"""The picture of an impact analysis: observed and counterfactual, the effect row by row, and its running sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, Rect, String
from reportlab.lib.colors import Color, HexColor

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.experiments.impact.records import Floats, ImpactReport, Ints, Path
from lumen_workers.experiments.impact.words import sentence
from lumen_workers.reports import style

PANEL, TITLE, TIMES, HEAD = 104.0, 20.0, 26.0, 34.0
"""Heights in points: of a panel, of its title, of the times below them, of the head."""

GUTTER, EDGE = 46.0, 8.0
"""Widths in points: of the numbers of the y axis, and of the margin around."""

POINTS: Final = 480
"""Points of a line; longer series are folded into the lowest and the highest of each bin."""

TINT = HexColor(0xDCDBF8)
WASHOUT = HexColor(0xEEF0F4)

_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 21600, 43200)
_DAY: Final = 86_400
_FORMATS: Final = (".svg", ".pdf")


class Frame(NamedTuple):
    """A panel: where it is, and which times (µs) and values it shows."""

    left: float
    bottom: float
    width: float
    start: int
    end: int
    low: float
    high: float

    def x(self, ts: Ints | int) -> Any:
        return self.left + self.width * (ts - self.start) / (self.end - self.start)

    def y(self, value: Floats | float) -> Any:
        return self.bottom + PANEL * (value - self.low) / (self.high - self.low)


def draw(report: ImpactReport, width: float = 520.0) -> Drawing:
    """The picture, ``width`` points wide. Raises UsageError for a report without numbers."""
    path = report.path
    if path is None:
        raise UsageError(f"there is nothing to draw: {sentence(report)}")
    event = to_us(report.event)
    height = HEAD + 3 * (PANEL + TITLE) + TIMES + EDGE
    drawing = Drawing(width, height)
    _rect(drawing, 0, 0, width, height, HexColor(0xFFFFFF))
    head = sentence(report)
    # A reader of the SVG may have another font, up to a quarter wider.
    size = min(8.5, 8.5 * (width - 2 * EDGE) / (1.25 * style.width(style.glyphs(head), style.REGULAR, 8.5)))
    _text(drawing, EDGE, height - 15, f"{report.target} around the event", 11, bold=True)
    _text(drawing, EDGE, height - 28, head, size, colour=style.MUTED)
    post = path.ts[len(path.ts) - len(path.effect) :]
    counterfactual = path.observed[-len(post) :] - np.array([path.effect_lo, path.effect_hi])
    panels: Sequence[tuple[str, tuple[Floats, ...], Callable[[Drawing, Frame], None]]] = (
        (
            "observed, and expected without the event",
            (path.observed, path.expected, counterfactual[0], counterfactual[1]),
            lambda d, f: _first(d, f, path, post, counterfactual),
        ),
        (
            "effect",
            (path.effect, path.effect_lo, path.effect_hi),
            lambda d, f: _later(d, f, post, path.effect, path.effect_lo, path.effect_hi),
        ),
        (
            "sum of the effects up to here",
            (path.cumulative, path.cumulative_lo, path.cumulative_hi),
            lambda d, f: _later(d, f, post, path.cumulative, path.cumulative_lo, path.cumulative_hi),
        ),
    )
    for number, (title, series, body) in enumerate(panels):
        low, high = _range(series, zero=number > 0)
        bottom = height - HEAD - (number + 1) * (PANEL + TITLE)
        left = EDGE + GUTTER
        frame = Frame(left, bottom, width - left - EDGE, int(path.ts[0]), int(path.ts[-1]), low, high)
        _panel(drawing, frame, event, int(post[0]), title, report.options.level, legend=number == 0)
        body(drawing, frame)
    _times(drawing, frame, event)
    return drawing


def save(report: ImpactReport, target: FilePath) -> None:
    """Write the picture as SVG or PDF, by the name's ending. Raises UsageError for another one."""
    if target.suffix.lower() not in _FORMATS:
        raise UsageError(f"--picture {target}: the name ends in {' or '.join(_FORMATS)}")
    drawing = draw(report)
    if target.suffix.lower() == ".svg":
        target.write_text(svg(drawing), "utf-8", newline="\n")
        return
    from reportlab.graphics import renderPDF
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(target), pagesize=(drawing.width, drawing.height), invariant=1)
    canvas.setTitle(f"Impact on {report.target}")
    renderPDF.draw(drawing, canvas, 0, 0)
    canvas.save()


def svg(drawing: Drawing) -> str:
    """The drawing as SVG. Its font is the report's where the reader has it, else a plain one."""
    from reportlab.graphics import renderSVG

    text: str = renderSVG.drawToString(drawing)
    for name, weight in ((style.REGULAR, "400"), (style.BOLD, "700")):
        text = text.replace(
            f"font-family: {name}", f"font-weight: {weight}; font-family: {name}, 'Noto Sans', Arial, sans-serif"
        )
    return text


def _first(drawing: Drawing, frame: Frame, path: Path, post: Ints, counterfactual: Floats) -> None:
    _band(drawing, frame, post, counterfactual[1], counterfactual[0])
    _line(drawing, frame, path.ts, path.observed, style.INK, 0.7)
    _line(drawing, frame, path.ts, path.expected, style.ACCENT, 1.1)


def _later(drawing: Drawing, frame: Frame, post: Ints, middle: Floats, low: Floats, high: Floats) -> None:
    _band(drawing, frame, post, low, high)
    zero = round(float(frame.y(0.0)), 2)
    drawing.add(Line(frame.left, zero, frame.left + frame.width, zero, strokeColor=style.MUTED, strokeWidth=0.6))
    _line(drawing, frame, post, middle, style.ACCENT, 1.1)


def _panel(drawing: Drawing, frame: Frame, event: int, first: int, title: str, level: float, *, legend: bool) -> None:
    left, bottom, width = frame.left, frame.bottom, frame.width
    _rect(drawing, left, bottom, width, PANEL, style.PAPER)
    at, begin = round(float(frame.x(event)), 2), round(float(frame.x(first)), 2)
    if begin - at > 1:
        _rect(drawing, at, bottom, begin - at, PANEL, WASHOUT)
    for mark in _marks(frame.low, frame.high):
        y = round(float(frame.y(mark)), 2)
        drawing.add(Line(left, y, left + width, y, strokeColor=style.HAIRLINE, strokeWidth=0.4))
        _text(drawing, left - 5, y - 2.3, f"{mark:.6g}", 6.5, colour=style.MUTED, anchor="end")
    drawing.add(Line(at, bottom, at, bottom + PANEL, strokeColor=style.ALARM, strokeWidth=0.8))
    _text(drawing, left, bottom + PANEL + 5, title, 8, bold=True)
    right = left + width
    band = f"{level * 100:g} % interval"
    keys: list[tuple[str, Color]] = [(band, TINT)]
    if legend:
        keys += [("expected", style.ACCENT), ("observed", style.INK), ("event", style.ALARM)]
    for label, colour in keys:
        right -= style.width(label, style.REGULAR, 7)
        _text(drawing, right, bottom + PANEL + 5, label, 7, colour=style.MUTED)
        right -= 12
        tall = 6.0 if colour is TINT else 1.6
        _rect(drawing, right, bottom + PANEL + 7.3 - tall / 2, 9, tall, colour)
        right -= 10


def _times(drawing: Drawing, frame: Frame, event: int) -> None:
    """Times from the event on, in the largest unit that needs no fractions."""
    span = (frame.end - frame.start) / US
    step = next((s for s in _STEPS if span <= 10 * s), 0)
    if not step:
        step = _DAY * max(1, _round_up(math.ceil(span / _DAY / 10)))
    unit, name = next((u, n) for u, n in ((_DAY, "d"), (3600, "h"), (60, "min"), (1, "s")) if step % u == 0)
    first = math.ceil((frame.start - event) / US / step)
    last = math.floor((frame.end - event) / US / step)
    for number in range(first, last + 1):
        x = round(float(frame.x(event + number * step * US)), 2)
        label = f"{number * step // unit:+d}" if number else "0"
        half = style.width(label, style.REGULAR, 7) / 2
        centre = min(max(x, frame.left + half), frame.left + frame.width - half)
        _text(drawing, centre, frame.bottom - 10, label, 7, colour=style.MUTED, anchor="middle")
    words = {"d": "days", "h": "hours", "min": "minutes", "s": "seconds"}[name]
    middle = frame.left + frame.width / 2
    _text(drawing, middle, frame.bottom - 21, f"{words} from the event", 7, colour=style.MUTED, anchor="middle")


def _round_up(value: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    power = int(10 ** (len(str(value)) - 1))
    return next(factor * power for factor in (1, 2, 5, 10) if value <= factor * power)


def _line(drawing: Drawing, frame: Frame, ts: Ints, values: Floats, colour: Color, width: float) -> None:
    for part in _stretches(ts):
        at, shown = _folded(ts[part], values[part])
        xs, ys = np.round(frame.x(at), 2), np.round(frame.y(shown), 2)
        points = np.column_stack([xs, ys]).ravel().tolist()
        if len(points) > 2:
            drawing.add(PolyLine(points, strokeColor=colour, strokeWidth=width, strokeLineJoin=1))


def _band(drawing: Drawing, frame: Frame, ts: Ints, low: Floats, high: Floats) -> None:
    for part in _stretches(ts):
        chosen = np.unique(np.linspace(part.start, part.stop - 1, min(POINTS, part.stop - part.start)).astype(int))
        xs = np.round(frame.x(ts[chosen]), 2)
        lows, highs = np.round(frame.y(low[chosen]), 2), np.round(frame.y(high[chosen]), 2)
        outline = np.concatenate([np.column_stack([xs, highs]), np.column_stack([xs, lows])[::-1]])
        if len(chosen) > 1:
            drawing.add(Polygon(outline.ravel().tolist(), fillColor=TINT, strokeColor=None))


def _stretches(ts: Ints) -> Iterator[slice]:
    """Rows without a gap of more than three usual steps between them."""
    gaps = np.diff(ts)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    cuts = [0, *(np.flatnonzero(gaps > 3 * usual) + 1).tolist(), len(ts)]
    for start, end in pairwise(cuts):
        yield slice(start, end)


def _folded(ts: Ints, values: Floats) -> tuple[Ints, Floats]:
    """At most POINTS points: where there are more, the lowest and the highest of each bin, in their order."""
    if len(ts) <= POINTS:
        return ts, values
    places: list[int] = []
    for part in np.array_split(np.arange(len(ts)), POINTS // 2):
        found = values[part]
        places += sorted({int(part[found.argmin()]), int(part[found.argmax()])})
    return ts[places], values[places]


def _range(series: Sequence[Floats], *, zero: bool) -> tuple[float, float]:
    low = min(float(values.min()) for values in series)
    high = max(float(values.max()) for values in series)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.05 * (high - low) or max(abs(high), 1.0)
    return low - margin, high + margin


def _marks(low: float, high: float) -> list[float]:
    """Three to six round numbers between ``low`` and ``high``."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if rough <= factor * power * 1.0001)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _rect(drawing: Drawing, x: float, y: float, width: float, height: float, colour: Color) -> None:
    shape = Rect(x, y, width, height)
    shape.fillColor, shape.strokeColor = colour, None
    drawing.add(shape)


def _text(
    drawing: Drawing,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: Color = style.INK,
    anchor: Literal["start", "middle", "end"] = "start",
) -> None:
    font = style.BOLD if bold else style.REGULAR
    drawing.add(
        String(
            round(x, 2),
            round(y, 2),
            style.glyphs(text),
            fontName=font,
            fontSize=size,
            fillColor=colour,
            textAnchor=anchor,
        )
    )
