"""Gather a day's report from the store, within a seal: its period, its loops, its watermark, its settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import BuildError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Effect, RuleEvent
from lumen_workers.domain.runs import Seal
from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.effects.discoveries import of_one_day
from lumen_workers.loop.coverage import coverage
from lumen_workers.reports.model import Change, DayReport, LoopDay, Occupancy, Threshold
from lumen_workers.reports.series import Axis, Binner, Series, axis_for
from lumen_workers.reports.trials import trials
from lumen_workers.reports.wording import LOCALES

LOCK_PHASE, LOCK_RISK = 0.05, 0.2
"""Phase lock (S01): phase_diff <= 0.05 and risk_band < 0.2."""

_LIMITS = (("creative_min", "creative_band", True, 0.22), ("risk_max", "risk_band", False, 0.35))
_Rates = Mapping[tuple[str, str], float]
"""(effect id, signal) → q."""
_PHASE, _RISK = SIGNALS.index("phase_diff"), SIGNALS.index("risk_band")


def collect(store: Store, seal: Seal) -> DayReport:
    """The report of ``seal``: rows of ``[start, cutoff)`` at or below the watermark, nothing else.

    ``seal.settings`` must hold ``zone`` (IANA name), ``locale`` (``en`` or ``ko``), ``effect_options`` (the
    ``EffectOptions.key()`` whose effects the report shows) and ``rates`` (loop → Hz: a rate that changes after the seal
    must not change what is built). Raises BuildError if one of them is missing or wrong.
    """
    locale = _setting(seal, "locale")
    if locale not in LOCALES:
        raise BuildError(f"seal of {seal.day}: locale {locale!r} is not one of {', '.join(LOCALES)}")
    try:
        zone = ZoneInfo(_setting(seal, "zone"))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BuildError(f"seal of {seal.day}: zone {seal.settings['zone']!r} is not a known time zone") from error
    cutoff = min(seal.cutoff, seal.end)
    effects = {name: _effects(store, seal, name, cutoff) for name in sorted(seal.watermark)}
    q = of_one_day(effect for own in effects.values() for effect in own.values())
    return DayReport(
        day=seal.day,
        zone=zone,
        locale=locale,
        revision=seal.revision,
        provisional=seal.provisional,
        start=seal.start,
        cutoff=cutoff,
        sealed_at=seal.sealed_at,
        seal_digest=seal.digest(),
        prev_digest=seal.prev_digest,
        code_version=seal.code_version,
        root_fingerprint=seal.settings.get("root_fingerprint"),
        loops=tuple(_loop_day(store, seal, name, cutoff, own, q) for name, own in effects.items()),
    )


def _setting(seal: Seal, name: str) -> Any:
    try:
        return seal.settings[name]
    except KeyError:
        raise BuildError(f"seal of {seal.day}: setting {name!r} is missing") from None


def _loop_day(
    store: Store, seal: Seal, name: str, cutoff: datetime, effects: Mapping[str, Effect], q: _Rates
) -> LoopDay:
    upto = seal.watermark[name]
    rate = int(_setting(seal, "rates").get(name, 0))
    if rate <= 0:
        raise BuildError(f"seal of {seal.day}: setting 'rates' has no rate for loop {name!r}")
    start_us, end_us = to_us(seal.start), to_us(cutoff)
    history = sorted(store.rules.events(name, end=cutoff, upto=upto), key=lambda e: (e.ts, e.seq))
    events = [e for e in history if e.ts >= seal.start]
    earlier = [e for e in history if e.ts < seal.start]
    thresholds = tuple(_threshold(history, start_us, *limit) for limit in _LIMITS)
    covered = coverage(store.samples, name, rate, start_us, end_us, upto=upto)
    axis = _axis(covered.first_us, covered.last_us, events, start_us, end_us)
    samples, series, occupancy = _scan(store, name, rate, (start_us, end_us, upto), axis, thresholds)
    journal = store.journal.rows(loop=name, start=seal.start, end=cutoff, upto=upto)
    return LoopDay(
        name=name,
        rate_hz=rate,
        watermark=upto,
        samples=samples,
        coverage=covered,
        axis=axis,
        series=series,
        occupancy=occupancy,
        thresholds=thresholds,
        changes=tuple(_change(n, event, effects.get(event.event_id), q) for n, event in enumerate(events, 1)),
        previous_change=earlier[-1].ts if earlier else None,
        quotes=tuple(store.findings.quotes(name, start=seal.start, end=cutoff, upto=upto)),
        risks=tuple(store.findings.risks(name, start=seal.start, end=cutoff, upto=upto)),
        trials=trials(journal),
        journal=Counter(entry.kind for entry in journal),
    )


def _effects(store: Store, seal: Seal, name: str, cutoff: datetime) -> dict[str, Effect]:
    """Event id → its effect for the seal's options."""
    options = _setting(seal, "effect_options")
    rows = store.effects.rows(name, start=seal.start, end=cutoff, upto=seal.watermark[name])
    return {event.event_id: effect for event, effect in rows if effect.options.key() == options}


def _change(number: int, event: RuleEvent, effect: Effect | None, q: _Rates) -> Change:
    own = {} if effect is None else {name: q.get((effect.effect_id, name)) for name in SIGNALS}
    return Change(number, event, effect, {name: rate for name, rate in own.items() if rate is not None})


def _threshold(
    history: Sequence[RuleEvent], start_us: int, rule: str, signal: str, floor: bool, default: float
) -> Threshold:
    """The limit's course: the rule's value where it had one, else the default (S04)."""
    events = [e for e in history if e.rule == rule]
    before = [e for e in events if to_us(e.ts) <= start_us]
    opening = before[-1].new if before else events[0].old if events else default
    later = ((to_us(e.ts), e.new) for e in events if to_us(e.ts) > start_us)
    return Threshold(rule, signal, floor, ((start_us, opening), *later))


def _axis(first_us: int | None, last_us: int | None, events: Sequence[RuleEvent], start_us: int, end_us: int) -> Axis:
    instants = [us for us in (first_us, last_us) if us is not None]
    if not instants:
        return axis_for(start_us, end_us - 1, start_us, end_us)
    instants += [to_us(e.ts) for e in events]
    return axis_for(min(instants), max(instants), start_us, end_us)


def _scan(
    store: Store,
    name: str,
    rate: int,
    window: tuple[int, int, int],
    axis: Axis,
    thresholds: Sequence[Threshold],
) -> tuple[int, Series | None, Occupancy]:
    """One pass over the samples: count, bins, and how many lie where."""
    start_us, end_us, upto = window
    binner = Binner(axis, rate)
    samples, locked, beyond = 0, 0, dict.fromkeys((t.rule for t in thresholds), 0)
    for block in store.samples.scan(name, start_us, end_us, upto=upto):
        samples += len(block)
        locked += int(((block.values[:, _PHASE] <= LOCK_PHASE) & (block.values[:, _RISK] < LOCK_RISK)).sum())
        for threshold in thresholds:
            beyond[threshold.rule] += _beyond(block, threshold)
        binner.add(block)
    return samples, binner.series() if samples else None, Occupancy(locked, beyond)


def _beyond(block: Block, threshold: Threshold) -> int:
    """Samples below a floor or above a ceiling that held at their instant."""
    since = np.array([ts for ts, _ in threshold.steps], np.int64)
    limits = np.array([value for _, value in threshold.steps])
    limit = limits[np.searchsorted(since, block.ts, side="right") - 1]
    values = block.values[:, SIGNALS.index(threshold.signal)]
    return int(((values < limit) if threshold.floor else (values > limit)).sum())
