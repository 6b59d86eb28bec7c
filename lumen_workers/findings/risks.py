"""Risks: a sentence about a change that made the loop worse."""

from __future__ import annotations

from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import Effect, Risk, RuleEvent, Severity
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.findings.thresholds import Thresholds, deltas
from lumen_workers.findings.wording import risk_sentence


def risk_of(event: RuleEvent, effect: Effect, thresholds: Thresholds, locale: str) -> Risk | None:
    """The effect's risk (warn), or None unless phase and entropy both surely rose, by at least their threshold (S07).

    It stands at the event's ``ts``; ``seq`` is 0 until the store numbers it. Raises UsageError for an unknown locale.
    """
    delta = deltas(effect)
    if delta is None:
        return None
    for name, least in (("phase_diff", thresholds.phase_bad), ("entropy_rate", thresholds.entropy_bad)):
        if delta[name] < least or effect.signals[name].verdict != Verdict.WORSENED:
            return None
    return Risk(
        risk_id=content_id("rk", effect.effect_id),
        effect_id=effect.effect_id,
        loop=effect.loop,
        seq=0,
        ts=event.ts,
        severity=Severity.WARN,
        rule=event.rule,
        signal=delta,
        note=risk_sentence(event, effect.signals, locale),
    )
