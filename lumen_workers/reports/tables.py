"""Tables of the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reportlab.lib.colors import Color
from reportlab.platypus import Paragraph, Table, TableStyle

from lumen_workers.domain.records import Severity
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports import style
from lumen_workers.reports.formats import MISSING, clean, clock, whole
from lumen_workers.reports.model import Change, DayReport, LoopDay
from lumen_workers.reports.phrases import measured, outcome, reading, remarks, step
from lumen_workers.reports.sources import sources
from lumen_workers.reports.wording import LOCALES, Words

_BASE: list[tuple[Any, ...]] = [
    ("FONT", (0, 0), (-1, -1), style.REGULAR, 8, 11.5),
    ("FONT", (0, 0), (-1, 0), style.BOLD, 7.5, 11),
    ("TEXTCOLOR", (0, 0), (-1, 0), style.MUTED),
    ("TEXTCOLOR", (0, 1), (-1, -1), style.INK),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
    ("LINEBELOW", (0, 0), (-1, 0), 0.7, style.FAINT),
    ("LINEBELOW", (0, 1), (-1, -1), 0.4, style.HAIRLINE),
    ("LEFTPADDING", (0, 0), (-1, -1), 2.5),
    ("RIGHTPADDING", (0, 0), (-1, -1), 2.5),
    ("TOPPADDING", (0, 0), (-1, -1), 3.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
]


def effects_table(report: DayReport, loop: LoopDay, width: float) -> Table:
    """A row for each rule change; splits over pages with its header."""
    words = LOCALES[report.locale]
    deltas = [f"Δ {words.shorts[signal]}" for signal in SIGNALS]
    header = [words.number, words.time, words.change, words.by, *deltas, words.counts]
    fixed = [18.0, 40.0, 0.0, 44.0, 64.0, 64.0, 64.0, 64.0, 42.0]
    fixed[2] = width - sum(fixed)
    rows: list[list[Any]] = [[*header[:4], *(Paragraph(style.markup(h), style.HEAD_CELL) for h in header[4:])]]
    rules = [*_BASE, ("ALIGN", (8, 0), (8, -1), "RIGHT"), ("ALIGN", (0, 0), (0, -1), "RIGHT")]
    for number, change in enumerate(loop.changes, 1):
        rows.append(_effect_row(report, loop, change, words))
        if not measured(change):
            rules.append(("SPAN", (4, number), (8, number)))
    return Table(rows, colWidths=fixed, repeatRows=1, style=TableStyle(rules))


def _effect_row(report: DayReport, loop: LoopDay, change: Change, words: Words) -> list[Any]:
    event = change.event
    text = f"{style.markup(clean(event.rule, 60))} {style.markup(step(change))}"
    if remark := remarks(change, loop, words):
        text += f'<br/><font size="7.5" color="#667085">{style.markup(remark)}</font>'
    row: list[Any] = [
        str(change.number),
        clock(event.ts, report.zone),
        Paragraph(text, style.SMALL),
        Paragraph(style.markup(clean(event.actor, 60)), style.SMALL),
    ]
    if measured(change):
        return [*row, *(_reading(change, signal, words) for signal in SIGNALS), outcome(change, words)]
    return [*row, Paragraph(style.markup(outcome(change, words)), style.CAPTION), "", "", "", ""]


def _reading(change: Change, name: str, words: Words) -> Paragraph:
    """Δ, in colour where it can be told from none; below it the interval, the verdict and q."""
    told = reading(change, name, words)
    verdict = change.told().get(name)
    colour = style.VERDICTS[verdict] if verdict else style.MUTED
    lines = [f'<font color="#{colour.hexval()[2:]}">{style.markup(told.delta)}</font>']
    small = (told.interval, told.verdict, f"q {told.q}")
    lines += [f'<font size="6.5" color="#667085">{style.markup(text)}</font>' for text in small if MISSING not in text]
    return Paragraph("<br/>".join(lines), style.READING)


def severity_table(report: DayReport) -> Table:
    """Risks by severity, side by side."""
    words = LOCALES[report.locale]
    counts = report.severities()
    rules: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, 0), style.BOLD, 17, 21),
        ("FONT", (0, 1), (-1, 1), style.REGULAR, 8, 11),
        ("TEXTCOLOR", (0, 0), (-1, 0), style.FAINT),
        ("TEXTCOLOR", (0, 1), (-1, 1), style.MUTED),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 0),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    for column, (severity, count) in enumerate(counts.items()):
        if count:
            colour = style.INK if severity is Severity.INFO else style.ALARM
            rules.append(("TEXTCOLOR", (column, 0), (column, 0), colour))
    cells = [[whole(n) for n in counts.values()], [words.severities[s] for s in counts]]
    return Table(cells, colWidths=[76] * len(counts), hAlign="LEFT", style=TableStyle(rules))


def sources_table(report: DayReport, width: float) -> Table:
    """The files of the snapshot with their counts."""
    words = LOCALES[report.locale]
    rows: list[list[Any]] = [[words.loop, words.file, words.count, words.watermark]]
    previous = None
    for source in sources(report):
        loop = Paragraph(style.markup(source.loop), style.SMALL) if source.loop != previous else ""
        path = Paragraph(style.markup(source.path), style.SMALL)
        rows.append([loop, path, Paragraph(source.counts(words), style.RIGHT), whole(source.upto)])
        previous = source.loop
    rules = [*_BASE, ("ALIGN", (2, 0), (-1, -1), "RIGHT")]
    return Table(rows, colWidths=[80, width - 320, 170, 70], repeatRows=1, style=TableStyle(rules))


def card(paragraphs: Sequence[Paragraph], width: float, colour: Color) -> Table:
    """Paragraphs beside a coloured bar; each may split over pages."""
    rules: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), style.REGULAR, 8),  # no cell is plain text, but the default is Helvetica
        ("LINEBEFORE", (0, 0), (0, -1), 2, colour),
        ("LEFTPADDING", (0, 0), (-1, -1), 11),
        ("RIGHTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ]
    return Table([[p] for p in paragraphs], colWidths=[width], splitInRow=1, style=TableStyle(rules), spaceAfter=9)
