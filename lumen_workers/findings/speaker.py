"""Looks at every new effect once and writes down what it is worth saying."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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


def speak(
    store: Store,
    loop: str,
    thresholds: Thresholds,
    locale: str,
    silent: Callable[[Sequence[str]], Collection[str]] = lambda _: (),
) -> Spoken:
    """Go through the loop's effects that nobody has looked at: at most one quote and one risk for each, ever.

    ``silent`` tells which of the given event ids are only looked at: an experiment's switches, each of which would
    make a quote, while the experiment as a whole has its own result.
    Another worker may do the same at the same time: whoever records an effect first is counted here.
    Raises UsageError for an unknown locale.
    """
    check_locale(locale)
    looked, quotes, risks = 0, [], []
    found = store.effects.unspoken(loop)
    quiet = silent([event.event_id for event, _ in found]) if found else ()
    for event, effect in found:
        spoken_of = event.event_id not in quiet
        quote = quote_of(event, effect, thresholds, locale) if spoken_of else None
        risk = risk_of(event, effect, thresholds, locale) if spoken_of else None
        if not store.findings.record(effect.effect_id, quote, risk):
            continue
        looked += 1
        if quote is not None:
            quotes.append(quote)
        if risk is not None:
            risks.append(risk)
    return Spoken(looked, tuple(quotes), tuple(risks))
