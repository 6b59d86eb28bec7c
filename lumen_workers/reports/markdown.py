"""The report as Markdown (CommonMark with tables)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lumen_workers.domain.records import Quote
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.reports import notes
from lumen_workers.reports.formats import MISSING, clean, clock, moment, plain, share, whole
from lumen_workers.reports.model import TOP, Change, DayReport, LoopDay
from lumen_workers.reports.phrases import about_quote, about_risk, caption, measured, outcome, reading, remarks, step
from lumen_workers.reports.sources import sources
from lumen_workers.reports.wording import LOCALES, Words

# An underscore between letters, as in creative_min, is no markup; an ampersand is one only before a name or number.
_MARKUP = re.compile(r"([\\`*\[\]<>|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=[#A-Za-z])|^#)")
_PLAIN_NAME = re.compile(r"^[A-Za-z0-9_.-]+$")


def render(report: DayReport) -> str:
    """The whole report; ends with a newline. Foreign text is escaped: it cannot add markup."""
    words = LOCALES[report.locale]
    parts = [
        f"# {words.title} {report.day.isoformat()}",
        _subtitle(report, words),
        *_section(words.summary, _summary(report, words)),
        *_section(words.quotes, _quotes(report, words)),
        *_section(words.risks, _risks(report, words)),
        *_section(words.signals_title, _signals(report, words)),
        *_section(words.effects, _effects(report, words)),
        *_section(words.notes, _notes(report)),
        *_section(words.sources, _sources(report, words)),
        *_section(words.line, [_saying(report.line, report, words) if report.line else words.no_line]),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: Iterable[str]) -> list[str]:
    return [f"## {title}", *body]


def _subtitle(report: DayReport, words: Words) -> str:
    state = words.provisional if report.provisional else words.final
    parts = (words.day(report.day), report.zone.key, words.revision.format(n=report.revision), state)
    return " · ".join(escape(part) for part in parts)


def _summary(report: DayReport, words: Words) -> list[str]:
    rows = [
        (words.period, f"{moment(report.start, report.zone)} – {moment(report.cutoff, report.zone)}"),
        (words.sealed, moment(report.sealed_at, report.zone)),
        (words.seal, f"`{report.seal_digest}`"),
        (words.previous_seal, f"`{report.prev_digest}`" if report.prev_digest else MISSING),
        (words.code, name(report.code_version)),
    ]
    if report.root_fingerprint:
        rows.append((words.root, f"`{report.root_fingerprint}`"))
    facts = "\n".join(f"- {label}: {value}" for label, value in rows)
    header = (words.loop, words.rate, words.samples, words.coverage, words.missing, words.changes)
    body = [
        (
            name(loop.name),
            f"{loop.rate_hz} Hz",
            whole(loop.samples),
            share(loop.coverage.present, loop.coverage.expected),
            whole(loop.coverage.missing) if loop.samples else MISSING,
            whole(len(loop.changes)),
        )
        for loop in report.loops
    ]
    return [facts, table(header, body, "lrrrrr")] if body else [facts, words.no_loops]


def _quotes(report: DayReport, words: Words) -> list[str]:
    if not report.quotes:
        return [words.no_quotes]
    mean = words.mean_confidence.format(value=f"{report.mean_confidence:.2f}", n=whole(len(report.quotes)))
    return [mean, "\n".join(f"{n}. {_saying(q, report, words)}" for n, q in enumerate(report.highlights, 1))]


def _saying(quote: Quote, report: DayReport, words: Words) -> str:
    return f"“{escape(clean(quote.quote))}” – {escape(about_quote(quote, report, words))}"


def _risks(report: DayReport, words: Words) -> list[str]:
    if not report.risks:
        return [words.no_risks]
    counts = [(words.severities[severity], whole(n)) for severity, n in report.severities().items()]
    latest = "\n".join(
        f"- {escape(about_risk(risk, report, words))}: {escape(clean(risk.note))}" for risk in report.risks[:TOP]
    )
    return [table((words.severity, words.count), counts, "lr"), f"{words.latest_risks}:", latest]


def _signals(report: DayReport, words: Words) -> list[str]:
    rows = []
    for loop in report.loops:
        ranges = loop.series.extremes() if loop.series else [None] * len(SIGNALS)
        cells = [f"{plain(pair[0])} – {plain(pair[1])}" if pair else MISSING for pair in ranges]
        rows.append((name(loop.name), *cells))
    return [table((words.loop, *words.signals.values()), rows, "lrrrr")] if rows else [words.no_loops]


def _effects(report: DayReport, words: Words) -> Iterator[str]:
    if not report.changes:
        yield words.no_changes
    about = (words.number, words.time, words.change, words.by, words.signal)
    header = (*about, "Δ", words.interval, words.verdict, "q", words.counts)
    for loop in report.loops:
        if loop.changes:
            yield f"### {name(loop.name)}"
            rows = [row for change in loop.changes for row in _change(change, loop, report, words)]
            yield table(header, rows, "rllllrllrr")
    if report.levels:
        yield caption(report, words)


def _change(change: Change, loop: LoopDay, report: DayReport, words: Words) -> Iterator[tuple[str, ...]]:
    """A row for each signal; what is the same in all of them stands in the first. One row without figures."""
    event = change.event
    text = f"{name(event.rule)} {step(change)}"
    if remark := remarks(change, loop, words):
        text += f"; {escape(remark)}"
    about = (clock(event.ts, report.zone), text, escape(clean(event.actor, 60)))
    if not measured(change):
        yield (str(change.number), *about, *[MISSING] * 3, outcome(change, words), MISSING, MISSING)
        return
    counts = outcome(change, words)
    for place, signal in enumerate(SIGNALS):
        told = reading(change, signal, words)
        shared = about if place == 0 else ("", "", "")
        cells = (words.shorts[signal], told.delta, told.interval, told.verdict, told.q)
        yield (str(change.number), *shared, *cells, counts if place == 0 else "")


def _notes(report: DayReport) -> Iterator[str]:
    of_day = notes.day_notes(report)
    if of_day:
        yield "\n".join(f"- {escape(note)}" for note in of_day)
    for loop in report.loops:
        yield f"### {name(loop.name)}"
        yield "\n".join(f"- {escape(note)}" for note in notes.loop_notes(report, loop))


def _sources(report: DayReport, words: Words) -> list[str]:
    rows = [
        (name(s.loop), f"`{s.path}`" if _PLAIN_NAME.match(s.loop) else escape(s.path), s.counts(words), whole(s.upto))
        for s in sources(report)
    ]
    return [table((words.loop, words.file, words.count, words.watermark), rows, "llrr")] if rows else [words.no_loops]


def escape(text: str) -> str:
    """Text as it is, whatever it holds."""
    return _MARKUP.sub(r"\\\1", text)


def name(text: str) -> str:
    """A name as code; one that is no plain name as escaped text."""
    return f"`{text}`" if _PLAIN_NAME.match(text) else escape(clean(text, 60))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table; ``align`` has ``l`` or ``r`` for each column."""
    rule = ["---:" if side == "r" else "---" for side in align]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
