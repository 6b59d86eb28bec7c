"""How many of a day's findings are chance: false discovery rate over all signals of all events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from lumen_workers.domain.clock import day_of
from lumen_workers.domain.records import Effect, RuleEvent

RATE: Final = 0.1
"""A change with q at or below it is kept: at most this share of those kept are expected to be false."""


def q_values(p_values: Sequence[float | None]) -> list[float | None]:
    """The adjusted p-values, in the same order; None (no interval) stays None and counts as no test.

    Calling everything with q ≤ 0.1 a finding keeps the expected share of false ones among them at 10 %.
    Source: Benjamini & Hochberg, J. R. Stat. Soc. B 57 (1995) 289. Not Benjamini & Yekutieli's form, which holds under
    any dependence: it divides by Σ 1/i, that is 4 to 7 for a day, and would find little. The dependence here is local
    (the windows of neighbouring events share samples, the signals of one loop go together), and under it the simulated
    false discovery rate is the nominal one or less (docs/statistics.md).
    Raises ValueError for a number outside [0, 1].
    """
    from scipy.stats import false_discovery_control

    known = [p for p in p_values if p is not None]
    if not known:
        return [None] * len(p_values)
    adjusted = iter(false_discovery_control(known, method="bh").tolist())
    return [None if p is None else next(adjusted) for p in p_values]


def of_one_day(effects: Iterable[Effect]) -> dict[tuple[str, str], float]:
    """(effect id, signal) → q of all signals of ``effects``, which are one family; without those that have no p.

    The family is what somebody looks through at once: all events of a calendar day, measured with one set of options.
    """
    keyed = [
        ((effect.effect_id, name), signal.p) for effect in effects for name, signal in sorted(effect.signals.items())
    ]
    found = q_values([p for _, p in keyed])
    return {key: q for (key, _), q in zip(keyed, found, strict=True) if q is not None}


def by_day(rows: Iterable[tuple[RuleEvent, Effect]], zone: ZoneInfo) -> dict[tuple[str, str], float]:
    """The same for many days at once: each calendar day in ``zone`` and each set of options is a family of its own."""
    families: dict[tuple[date, str], list[Effect]] = defaultdict(list)
    for event, effect in rows:
        families[day_of(event.ts, zone), effect.options.key()].append(effect)
    return {key: q for family in families.values() for key, q in of_one_day(family).items()}
