"""The report as an A4 PDF whose bytes depend on the report only: no clock, no compression, no random id."""

from __future__ import annotations

import functools
import hashlib
from io import BytesIO
from typing import IO, Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
)

from lumen_workers.reports import notes, style
from lumen_workers.reports.charts import SignalCharts
from lumen_workers.reports.cover import MARGIN, draw_cover
from lumen_workers.reports.forest import MOST, ForestPlot
from lumen_workers.reports.formats import clean, duration, whole
from lumen_workers.reports.model import TOP, DayReport, LoopDay
from lumen_workers.reports.phrases import about_quote, about_risk, caption
from lumen_workers.reports.tables import card, effects_table, severity_table, sources_table
from lumen_workers.reports.wording import LOCALES

WIDTH = A4[0] - 2 * MARGIN
_TOTAL = "total-pages"
_QUOTE_LIMIT = 1_000


def render(report: DayReport) -> tuple[bytes, int]:
    """The PDF and its number of pages."""
    buffer = BytesIO()
    document = _Document(buffer, report)
    document.build(_story(report), canvasmaker=functools.partial(_Canvas, report=report))
    return buffer.getvalue(), document.page


class _Canvas(Canvas):
    """A canvas whose output depends on nothing but the report.

    Each default that the environment or a user's reportlab settings could change is given. The total number of pages,
    known only at the end, is a form that every page refers to.
    """

    _code: list[str]
    _doc: Any

    def __init__(self, buffer: str | IO[bytes], *, report: DayReport, **options: Any) -> None:
        fixed = {"pageCompression": 0, "invariant": 1, "initialFontName": style.REGULAR}
        super().__init__(buffer, **{**options, **fixed})
        sealed = f"D:{report.sealed_at:%Y%m%d%H%M%S}+00'00'"
        self.setDateFormatter(lambda *_: sealed)
        # reportlab seeds the file's id with the time, or with SOURCE_DATE_EPOCH where that is set.
        self._doc.signature = hashlib.sha256(report.seal_digest.encode())

    def save(self) -> None:
        if self._code:
            self.showPage()
        self.beginForm(_TOTAL)
        self.setFillColor(style.MUTED)
        self.setFont(style.REGULAR, 8)
        self.drawString(0, 2, f"/ {self.getPageNumber() - 1}")
        self.endForm()
        super().save()


class _Document(BaseDocTemplate):
    def __init__(self, buffer: BytesIO, report: DayReport) -> None:
        self._report = report
        self._sections = 0
        self._words = LOCALES[report.locale]
        super().__init__(
            buffer,
            pagesize=A4,
            title=f"{self._words.title} {report.day.isoformat()}",
            author="Lumen Workers",
            creator="Lumen Workers",
            subject=f"seal {report.seal_digest}",
            lang=report.locale,
        )
        frame = Frame(MARGIN, 60, WIDTH, A4[1] - 60 - 66, 0, 0, 0, 0)
        self.addPageTemplates(
            [
                PageTemplate("cover", [frame], onPage=lambda canvas, _: draw_cover(canvas, report)),
                PageTemplate("inner", [frame], onPage=self._furniture),
            ]
        )

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 (reportlab's name)
        """Outline entries for headings."""
        if isinstance(flowable, _Heading):
            self._sections += 1
            key = f"section-{self._sections}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key, 0)

    def _furniture(self, canvas: Canvas, document: BaseDocTemplate) -> None:
        report, right, top = self._report, A4[0] - MARGIN, A4[1] - 42
        state = self._words.provisional if report.provisional else self._words.final
        canvas.setFillColor(style.MUTED)
        canvas.setFont(style.REGULAR, 8)
        canvas.drawString(MARGIN, top, f"{self._words.title}   ·   {report.day.isoformat()}")
        canvas.drawRightString(right, top, f"{state} · {self._words.revision.format(n=report.revision)}")
        canvas.setStrokeColor(style.HAIRLINE)
        canvas.setLineWidth(0.6)
        canvas.line(MARGIN, top - 8, right, top - 8)
        canvas.drawString(MARGIN, 34, f"{self._words.seal} {report.seal_digest[:16]}")
        canvas.drawRightString(right - 22, 34, str(document.page))
        canvas.saveState()
        canvas.translate(right - 18, 32)
        canvas.doForm(_TOTAL)
        canvas.restoreState()


def _story(report: DayReport) -> list[Flowable]:
    story: list[Flowable] = [NextPageTemplate("inner"), PageBreak()]
    story += _quotes(report) + _risks(report) + _notes(report)
    for loop in report.loops:
        story += _loop(report, loop)
    return story + _sources(report) + _line(report)


class _Heading(Paragraph):
    """A section's title, which gets an outline entry."""


def _heading(text: str, *, kept: bool = True) -> Paragraph:
    return _Heading(style.markup(text), style.HEADING_KEPT if kept else style.HEADING)


def _quotes(report: DayReport) -> list[Flowable]:
    words = LOCALES[report.locale]
    story: list[Flowable] = [_heading(words.quotes)]
    if not report.quotes:
        return [*story, Paragraph(words.no_quotes, style.BODY)]
    mean = words.mean_confidence.format(value=f"{report.mean_confidence:.2f}", n=whole(len(report.quotes)))
    story += [Paragraph(style.markup(mean), style.CAPTION), Spacer(0, 7)]
    for quote in report.highlights:
        said = Paragraph(style.markup(f"“{clean(quote.quote, _QUOTE_LIMIT)}”"), style.QUOTE)
        about = Paragraph(style.markup(about_quote(quote, report, words)), style.CAPTION)
        story.append(card([said, about], WIDTH, style.COLOURS["creative_band"]))
    return story


def _risks(report: DayReport) -> list[Flowable]:
    words = LOCALES[report.locale]
    story: list[Flowable] = [_heading(words.risks)]
    if not report.risks:
        return [*story, Paragraph(words.no_risks, style.BODY)]
    story += [severity_table(report), Paragraph(words.latest_risks, style.SUBHEADING)]
    for risk in report.risks[:TOP]:
        note = Paragraph(style.markup(clean(risk.note, _QUOTE_LIMIT)), style.BODY)
        about = Paragraph(style.markup(about_risk(risk, report, words)), style.CAPTION)
        story.append(card([note, about], WIDTH, style.COLOURS["risk_band"]))
    return story


def _notes(report: DayReport) -> list[Flowable]:
    story: list[Flowable] = [_heading(LOCALES[report.locale].notes)]
    story += _bullets(notes.day_notes(report))
    for loop in report.loops:
        if len(report.loops) > 1:
            story.append(Paragraph(style.markup(loop.name), style.SUBHEADING))
        story += _bullets(notes.loop_notes(report, loop))
    return story


def _bullets(texts: list[str]) -> list[Flowable]:
    return [Paragraph(style.markup(text), style.BULLET, bulletText="·") for text in texts]


def _loop(report: DayReport, loop: LoopDay) -> list[Flowable]:
    words = LOCALES[report.locale]
    if not loop.samples and not loop.changes:
        nothing = f"{words.no_samples}. {words.no_changes}"
        return [_heading(f"{words.signals_title} – {loop.name}"), Paragraph(style.markup(nothing), style.BODY)]
    charts = SignalCharts(report, loop, WIDTH)
    story: list[Flowable] = [
        CondPageBreak(charts.height + 80),
        _heading(f"{words.signals_title} – {loop.name}"),
        charts,
    ]
    if loop.series:
        bin_us = (loop.axis.end_us - loop.axis.start_us) // len(loop.series.count)
        caption = words.band_caption.format(bin=duration(bin_us, words))
        story += [Spacer(0, 4), Paragraph(style.markup(caption), style.CAPTION)]
    return story + _effects(report, loop)


def _effects(report: DayReport, loop: LoopDay) -> list[Flowable]:
    words = LOCALES[report.locale]
    title = f"{words.effects} – {loop.name}"
    if not loop.changes:
        return [CondPageBreak(110), _heading(title, kept=False), Paragraph(words.no_changes, style.BODY)]
    if not (drawn := loop.drawn(MOST)):
        return [CondPageBreak(110), _heading(title, kept=False), effects_table(report, loop, WIDTH)]
    plot = ForestPlot(report, loop, WIDTH)
    said = [words.forest_caption, caption(report, words)]
    if len(drawn) < (able := len(loop.drawn(len(loop.changes)))):
        said.insert(0, words.forest_chosen.format(n=whole(len(drawn)), total=whole(able)))
    return [
        CondPageBreak(plot.height + 100),
        _heading(title),
        plot,
        Spacer(0, 4),
        Paragraph(style.markup(" ".join(said)), style.CAPTION),
        Spacer(0, 10),
        effects_table(report, loop, WIDTH),
    ]


def _sources(report: DayReport) -> list[Flowable]:
    words = LOCALES[report.locale]
    story: list[Flowable] = [CondPageBreak(150), _heading(words.sources, kept=False)]
    if not report.loops:
        return [*story, Paragraph(words.no_loops, style.BODY)]
    return [*story, sources_table(report, WIDTH)]


def _line(report: DayReport) -> list[Flowable]:
    words = LOCALES[report.locale]
    story: list[Flowable] = [CondPageBreak(140), _heading(words.line)]
    if report.line is None:
        return [*story, Paragraph(words.no_line, style.BODY)]
    said = Paragraph(style.markup(f"“{clean(report.line.quote, _QUOTE_LIMIT)}”"), style.LINE)
    about = Paragraph(style.markup(about_quote(report.line, report, words)), style.LINE_ABOUT)
    return [*story, Spacer(0, 10), said, about]
