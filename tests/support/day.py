"""A day of one loop or more in a real store, and its seal, for tests of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from support.judged import judged, unjudged

from lumen_workers.domain.clock import day_bounds, to_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import (
    Effect,
    EffectOptions,
    EffectStatus,
    Quote,
    Risk,
    RuleEvent,
    Severity,
    SignalEffect,
)
from lumen_workers.domain.runs import Seal
from lumen_workers.domain.signals import SIGNALS, Block, period_us

DAY = date(2026, 1, 31)
ZONE = ZoneInfo("Asia/Seoul")
START, END = day_bounds(DAY, ZONE)
OPTIONS = EffectOptions()
LEVELS = (0.04, 0.3, 0.25, 0.15)
DELTA = (-0.021, 0.002, 0.031, -0.012)
REACH = 0.006
"""Half the width of an effect's intervals: of DELTA only the entropy rate's holds zero."""


def at(seconds: float) -> datetime:
    """The instant ``seconds`` after the day's start."""
    return START + timedelta(seconds=seconds)


def sample(
    store: Store,
    start_s: float,
    end_s: float,
    *,
    loop: str = "main",
    levels: Sequence[float] = LEVELS,
    rate_hz: int = 5,
) -> None:
    """Constant samples on the grid in [start_s, end_s)."""
    ts = np.arange(to_us(at(start_s)), to_us(at(end_s)), period_us(rate_hz), dtype=np.int64)
    store.samples.add(loop, Block(ts, np.tile(np.array(levels, np.float64), (len(ts), 1))))


def change(store: Store, event_id: str, seconds: float, **fields: Any) -> RuleEvent:
    """A rule event at ``seconds``; ``fields`` replace what it has by default."""
    values: dict[str, Any] = {"loop": "main", "actor": "Sena", "rule": "risk_max", "old": 0.35, "new": 0.33}
    event = RuleEvent(event_id=event_id, seq=0, ts=at(seconds), applied_at=at(seconds), **(values | fields))
    store.rules.insert([event])
    return event


def made(
    event: RuleEvent,
    *,
    delta: Sequence[float] | None = DELTA,
    n_pre: int = 145,
    n_post: int = 146,
    options: EffectOptions = OPTIONS,
    reach: float | None = REACH,
) -> Effect:
    """An effect of the event with these Δ ± ``reach`` in SIGNALS' order; None: insufficient, or without intervals."""
    signals = {name: SignalEffect(verdict="insufficient") for name in SIGNALS}
    for name, size in zip(SIGNALS, delta or (), strict=False):
        found = unjudged(size, pre=0.3) if reach is None else judged(name, size, reach, pre=0.3)
        signals[name] = replace(found, shown_delta=0.9)
    return Effect(
        effect_id=f"fx-{event.event_id}-{options.pre_s:g}",
        event_id=event.event_id,
        loop=event.loop,
        seq=0,
        options=options,
        status=EffectStatus.INSUFFICIENT if delta is None else EffectStatus.COMPUTED,
        n_pre=n_pre,
        n_post=n_post,
        signals=signals,
        computed_at=event.ts,
    )


def effect(store: Store, event: RuleEvent, **fields: Any) -> Effect:
    """The same, in the store."""
    found = made(event, **fields)
    store.effects.add([found])
    return found


def find(
    store: Store,
    event: RuleEvent,
    made: Effect,
    *,
    quote: str | None = None,
    confidence: float = 0.8,
    risk: str | None = None,
    severity: Severity = Severity.WARN,
) -> None:
    """A quote and a risk about the effect."""
    deltas: Mapping[str, float] = {name: made.signals[name].delta or 0.0 for name in SIGNALS}
    common: dict[str, Any] = {"effect_id": made.effect_id, "loop": event.loop, "seq": 0, "ts": event.ts}
    said = quote and Quote(
        quote_id=f"qt-{event.event_id}",
        by=event.actor,
        rule=event.rule,
        delta=deltas,
        confidence=confidence,
        quote=quote,
        **common,
    )
    feared = risk and Risk(
        risk_id=f"rk-{event.event_id}", severity=severity, rule=event.rule, signal=deltas, note=risk, **common
    )
    store.findings.record(made.effect_id, said or None, feared or None)


def seal_of(store: Store, **fields: Any) -> Seal:
    """A seal of what the store has now. ``fields`` replace its own; ``settings`` are added to the defaults."""
    settings = {
        "zone": "Asia/Seoul",
        "locale": "en",
        "effect_options": OPTIONS.key(),
        "rates": store.loops.rates(),
        **fields.pop("settings", {}),
    }
    values: dict[str, Any] = {
        "pipeline": "daily",
        "day": DAY,
        "revision": 1,
        "start": START,
        "end": END,
        "cutoff": END,
        "watermark": store.loops.watermark(),
        "settings": settings,
        "code_version": "a1b2c3d4",
        "config_digest": "0" * 64,
        "prev_digest": None,
        "sealed_at": END + timedelta(minutes=5),
    }
    return Seal(**(values | fields))


def full_day(store: Store, *, loop: str = "main", events: int = 12, sentence: str = "the loop flows evenly") -> None:
    """Two hours with a gap, ``events`` changes of which some are insufficient or pending, quotes and risks."""
    store.loops.register(loop, 5, "mock")
    sample(store, 0, 3000, loop=loop)
    sample(store, 3300, 7200, loop=loop, levels=(0.3, 0.5, 0.1, 0.6))
    for n in range(events):
        event = change(
            store, f"{loop}-{n}", 60 + n * 7000 / events, loop=loop, old=0.3 + n / 100, new=0.31 + n / 100, note=f"n{n}"
        )
        if n % 5 == 4:
            continue
        made = effect(store, event, delta=None if n % 5 == 3 else DELTA, n_pre=12 if n % 5 == 3 else 145)
        if n % 5 < 2:
            find(store, event, made, quote=f"{sentence} {n}", confidence=(0.8, 0.92)[n % 2], risk=f"risk {n}")
