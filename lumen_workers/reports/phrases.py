"""Pieces of text that Markdown and PDF share, unescaped: each of them escapes in its own way."""

from __future__ import annotations

from typing import NamedTuple

from lumen_workers.domain.records import EffectStatus, Quote, Risk
from lumen_workers.effects.figures import interval, percent, small
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.reports.formats import MISSING, clean, clock, rule_value, signed, whole
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


def measured(change: Change) -> bool:
    """Whether there are figures."""
    return change.effect is not None and change.effect.status is EffectStatus.COMPUTED


class Reading(NamedTuple):
    """One signal of a measured change: Δ, its interval, the verdict, q; MISSING where there is none."""

    delta: str
    interval: str
    verdict: str
    q: str


def reading(change: Change, name: str, words: Words) -> Reading:
    """What the tables say of one signal."""
    signal = change.signal(name)
    if signal is None:
        return Reading(MISSING, MISSING, MISSING, MISSING)
    verdict = MISSING if signal.verdict is None else words.verdicts[Verdict(signal.verdict)]
    q = MISSING if name not in change.q else small(change.q[name])
    return Reading(signed(signal.delta), interval(signal) or MISSING, verdict, q)


def caption(report: DayReport, words: Words) -> str:
    """How the effects' tables are to be read. Only for a report with intervals."""
    return words.effects_caption.format(level=" / ".join(map(percent, report.levels)))


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
