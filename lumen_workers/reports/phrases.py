"""Pieces of text that Markdown and PDF share, unescaped: each of them escapes in its own way."""

from __future__ import annotations

from lumen_workers.domain.records import EffectStatus, Quote, Risk
from lumen_workers.reports.formats import clean, clock, rule_value, whole
from lumen_workers.reports.model import Change, DayReport, LoopDay
from lumen_workers.reports.wording import Words

NOTE_LIMIT = 280
"""Characters of an operator's note that tables show; the rule history holds all of it."""


def step(change: Change) -> str:
    """Old and new value."""
    return f"{rule_value(change.event.old)} → {rule_value(change.event.new)}"


def remarks(change: Change, loop: LoopDay, words: Words) -> str:
    """What marks a change out: made by no person, taking another one of this period back, its note."""
    parts = [words.automatic] if change.event.automatic else []
    parts += [words.undoes.format(n=c.number) for c in loop.changes if c.event.event_id == change.event.undoes]
    note = clean(change.event.note, NOTE_LIMIT)
    return "; ".join([*parts, note] if note else parts)


def outcome(change: Change, words: Words) -> str:
    """The counts of a measured change, or why there is no figure."""
    effect = change.effect
    if effect is None:
        return words.waiting_row
    if effect.status is EffectStatus.INSUFFICIENT:
        return words.insufficient_row.format(
            n_pre=whole(effect.n_pre), n_post=whole(effect.n_post), needed=whole(effect.options.min_samples)
        )
    return f"{whole(effect.n_pre)} / {whole(effect.n_post)}"


def about_quote(quote: Quote, report: DayReport, words: Words) -> str:
    """Loop (where there are several), who, which rule, when, how sure."""
    parts = [quote.loop] if len(report.loops) > 1 else []
    parts += [clean(quote.by, 60), clean(quote.rule, 60), clock(quote.ts, report.zone)]
    return " · ".join([*parts, words.confidence.format(value=f"{quote.confidence:.2f}")])


def about_risk(risk: Risk, report: DayReport, words: Words) -> str:
    """Loop (where there are several), when, how grave, which rule."""
    parts = [risk.loop] if len(report.loops) > 1 else []
    return " · ".join([*parts, clock(risk.ts, report.zone), words.severities[risk.severity], clean(risk.rule, 60)])
