"""Quotes: a sentence about a change that helped."""

from __future__ import annotations

from typing import Final

from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import Effect, Quote, RuleEvent
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.findings.thresholds import Thresholds, deltas
from lumen_workers.findings.wording import quote_sentence

CONFIDENCE: Final = (0.40, 0.65, 0.80, 0.92)
"""Confidence by the number of good signals, 0 to 3 (S07)."""


def confidence(n_good: int) -> float:
    """Confidence in [0, 1] for ``n_good`` good signals (0 to 3). Raises ValueError outside."""
    if not 0 <= n_good < len(CONFIDENCE):
        raise ValueError(f"{n_good} good signals: there are 0 to {len(CONFIDENCE) - 1}")
    return CONFIDENCE[n_good]


def good_signals(effect: Effect, thresholds: Thresholds) -> tuple[str, ...]:
    """The signals that surely got better, and by at least their threshold: phase down, creative up, risk down.

    Surely: the verdict is *improved*, so the interval excludes zero. The threshold is for Δ itself, not for the whole
    interval: that the change is real is the interval's to say, that it is worth a word the threshold's. An effect
    without verdicts (stored or imported from before there were any) has none.
    """
    delta = deltas(effect)
    if delta is None:
        return ()
    reached = {
        "phase_diff": delta["phase_diff"] <= thresholds.phase_good,
        "creative_band": delta["creative_band"] >= thresholds.creative_good,
        "risk_band": delta["risk_band"] <= thresholds.risk_good,
    }
    return tuple(name for name, far in reached.items() if far and effect.signals[name].verdict == Verdict.IMPROVED)


def quote_of(event: RuleEvent, effect: Effect, thresholds: Thresholds, locale: str) -> Quote | None:
    """The effect's quote, or None.

    None without a good signal: a change that cannot be told from none, or that reached no threshold, helped nobody,
    and a sentence about it would be one about noise. The quote stands at the event's ``ts`` and is spoken ``by`` its
    actor. ``seq`` is 0 until the store numbers it. Raises UsageError for an unknown locale.
    """
    delta = deltas(effect)
    good = good_signals(effect, thresholds)
    if delta is None or not good:
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
        quote=quote_sentence(event, effect.signals, good, locale),
    )
