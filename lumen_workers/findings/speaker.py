"""Looks at every new effect once and writes down what it is worth saying."""

from __future__ import annotations

from dataclasses import dataclass

from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Quote, Risk
from lumen_workers.findings.quotes import quote_of
from lumen_workers.findings.risks import risk_of
from lumen_workers.findings.thresholds import Thresholds
from lumen_workers.findings.wording import check_locale


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one pass wrote: effects looked at, and the findings about them (as handed to the store, unnumbered)."""

    effects: int
    quotes: tuple[Quote, ...]
    risks: tuple[Risk, ...]


def speak(store: Store, loop: str, thresholds: Thresholds, locale: str) -> Spoken:
    """Go through the loop's effects that nobody has looked at: at most one quote and one risk for each, ever.

    Another worker may do the same at the same time: whoever records an effect first is counted here.
    Raises UsageError for an unknown locale.
    """
    check_locale(locale)
    looked, quotes, risks = 0, [], []
    for event, effect in store.effects.unspoken(loop):
        quote = quote_of(event, effect, thresholds, locale)
        risk = risk_of(event, effect, thresholds, locale)
        if not store.findings.record(effect.effect_id, quote, risk):
            continue
        looked += 1
        if quote is not None:
            quotes.append(quote)
        if risk is not None:
            risks.append(risk)
    return Spoken(looked, tuple(quotes), tuple(risks))
