"""Quotes: a sentence about a change that helped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import Effect, Quote, RuleEvent
from lumen_workers.findings.thresholds import Thresholds, deltas
from lumen_workers.findings.wording import quote_sentence

CONFIDENCE: Final = (0.40, 0.65, 0.80, 0.92)
"""Confidence by the number of good signals, 0 to 3 (S07)."""


def confidence(n_good: int) -> float:
    """Confidence in [0, 1] for ``n_good`` good signals (0 to 3). Raises ValueError outside."""
    if not 0 <= n_good < len(CONFIDENCE):
        raise ValueError(f"{n_good} good signals: there are 0 to {len(CONFIDENCE) - 1}")
    return CONFIDENCE[n_good]


def good_signals(delta: Mapping[str, float], thresholds: Thresholds) -> tuple[str, ...]:
    """The signals that got better by at least their threshold: phase down, creative up, risk down."""
    verdicts = {
        "phase_diff": delta["phase_diff"] <= thresholds.phase_good,
        "creative_band": delta["creative_band"] >= thresholds.creative_good,
        "risk_band": delta["risk_band"] <= thresholds.risk_good,
    }
    return tuple(name for name, good in verdicts.items() if good)


def quote_of(event: RuleEvent, effect: Effect, thresholds: Thresholds, locale: str) -> Quote | None:
    """The effect's quote, or None.

    None without a good signal: a change that reached no threshold helped nobody, and a sentence about it would be
    one about noise. The quote stands at the event's ``ts`` and is spoken ``by`` its actor. ``seq`` is 0 until the
    store numbers it. Raises UsageError for an unknown locale.
    """
    delta = deltas(effect)
    if delta is None:
        return None
    good = good_signals(delta, thresholds)
    if not good:
        return None
    return Quote(
        quote_id=content_id("qt", effect.effect_id),
        effect_id=effect.effect_id,
        loop=effect.loop,
        seq=0,
        ts=event.ts,
        by=event.actor,
        rule=event.rule,
        delta=delta,
        confidence=confidence(len(good)),
        quote=quote_sentence(event, delta, good, locale),
    )
