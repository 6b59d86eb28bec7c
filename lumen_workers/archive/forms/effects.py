"""Effects as rows of ``rules_effects.csv``: the S05 columns with the shown values, then ours: raw values, intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from lumen_workers.archive.forms.fields import Refused, instant, number, number_or_none, rule, text
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, RuleEvent, SignalEffect
from lumen_workers.domain.signals import GOOD, SHORT, SIGNALS
from lumen_workers.effects.verdicts import Verdict

Row = Mapping[str, str | None]
Cell = str | float | int | None

_EVENT: Final = ("rule_ts", "actor", "rule", "old", "new")
_WINDOWS: Final = ("pre_s", "post_s")
_OPTIONS: Final = ("opts_iqr", "opts_ema", "ema_alpha", "iqr_k")
_DELTAS: Final = tuple(f"d_{SHORT[name]}" for name in SIGNALS)
_MEANS: Final = tuple(f"{side}_{SHORT[name]}" for name in SIGNALS for side in ("pre", "post"))
_SHOWN: Final = tuple(f"{part}_{SHORT[name]}" for name in SIGNALS for part in ("pre", "post", "d"))
_OURS: Final = ("event_id", "applied_at", "status", "n_pre", "n_post", "gap_s", "min_samples", "computed_at")
_RAW: Final = tuple(f"raw_{column}" for column in _SHOWN)
_NUMBERS: Final = ("lo", "hi", "level", "se", "phi", "n_eff", "mde", "p", "placebo_p")
_INTERVALS: Final = tuple(f"{part}_{SHORT[name]}" for name in SIGNALS for part in (*_NUMBERS, "verdict"))

SPEC_COLUMNS: Final = _EVENT + _WINDOWS + _SHOWN + _OPTIONS
COLUMNS: Final = SPEC_COLUMNS + _OURS + _RAW + _INTERVALS
"""What export writes: the S05 header, then ours. Files of ours from before effects had intervals end with ``_RAW``."""

_NEEDED: Final = frozenset(_EVENT + _DELTAS)
_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False}
# The columns that older files lack as a whole.
_GROUPS: Final = tuple(frozenset(group) for group in (_WINDOWS, _MEANS, _OPTIONS, _OURS + _RAW))
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "level": (0.0, 1.0),
    "se": (0.0, math.inf),
    "phi": (-1.0, 1.0),
    "n_eff": (0.0, math.inf),
    "mde": (0.0, math.inf),
    "p": (0.0, 1.0),
    "placebo_p": (0.0, 1.0),
}


def check_header(columns: Sequence[str], name: str) -> None:
    """Accept the S05 header, ours with and without intervals, and the source's two shorter ones (no pre/post columns,
    or no option columns).

    Raises UsageError naming the file and the expected header.
    """
    found = frozenset(columns)
    rest = found - _NEEDED
    for group in _GROUPS:
        if group <= found:
            rest -= group
    if found >= frozenset(_OURS + _INTERVALS):
        rest -= frozenset(_INTERVALS)
    if not found >= _NEEDED or rest or len(found) != len(columns):
        shown = ",".join(columns)[:80]
        raise UsageError(f"{name}: the first line must be {','.join(SPEC_COLUMNS)}; it is {shown!r}")


def effect_row(event: RuleEvent, effect: Effect) -> list[Cell]:
    """The cells of one effect in COLUMNS' order; None is an empty cell."""
    options = effect.options
    shown: list[Cell] = []
    raw: list[Cell] = []
    intervals: list[Cell] = []
    for name in SIGNALS:
        signal = effect.signals[name]
        shown += [signal.shown_pre, signal.shown_post, signal.shown_delta]
        raw += [signal.pre, signal.post, signal.delta]
        intervals += [*(getattr(signal, part) for part in _NUMBERS), signal.verdict]
    return [
        *(iso(event.ts), event.actor, event.rule, event.old, event.new),
        *(options.pre_s, options.post_s),
        *shown,
        *(int(options.iqr), int(options.ema), options.ema_alpha, options.iqr_k),
        *(event.event_id, iso(event.applied_at) if event.applied_at else None, effect.status.value),
        *(effect.n_pre, effect.n_post, options.gap_s, options.min_samples, iso(effect.computed_at)),
        *raw,
        *intervals,
    ]


class EventIndex:
    """Finds the event that an effect or a finding of a file is about."""

    def __init__(self, events: Sequence[RuleEvent]) -> None:
        self._by_id = {event.event_id: event for event in events}
        self._by_step: dict[tuple[datetime, str, float | None], RuleEvent] = {}
        for event in events:
            # The first one stands: later equal steps at the same instant cannot be told apart.
            self._by_step.setdefault((event.ts, event.rule, event.new), event)
            self._by_step.setdefault((event.ts, event.rule, None), event)

    def find(self, event_id: str | None, ts: datetime, rule_name: str, new: float | None) -> RuleEvent | None:
        """By id, else by time, rule and new value (None: any)."""
        return self._by_id.get(event_id or "") or self._by_step.get((ts, rule_name, new))


def is_ours(row: Row) -> bool:
    """Whether the row has our columns: counts, raw means, the event's id."""
    return "event_id" in row


def read_effect(row: Row, index: EventIndex) -> Effect:
    """The effect of a row; ``seq`` is 0. Raises Refused, ``unknown event`` when the store has no event for it.

    A row of the source's own files has no counts and no minimum. They are 0 here (so its options differ from all that
    Lumen computes with, and the event is still computed from its samples), ``computed_at`` is the end of its post
    window, and its values are raw ones only when no filter was on.
    """
    ts, name, new = instant(row, "rule_ts"), rule(row), number(row, "new")
    event = index.find(row.get("event_id"), ts, name, new)
    if event is None:
        raise Refused("unknown event")
    ours = is_ours(row)
    options = _options(row)
    signals = {signal: _signal(row, signal, raw=ours or not (options.iqr or options.ema)) for signal in SIGNALS}
    return Effect(
        effect_id=content_id("ef", event.event_id, options.key()),
        event_id=event.event_id,
        loop=event.loop,
        seq=0,
        options=options,
        status=_status(row, signals),
        n_pre=_count(row, "n_pre") if ours else 0,
        n_post=_count(row, "n_post") if ours else 0,
        signals=signals,
        computed_at=instant(row, "computed_at") if ours else ts + timedelta(seconds=options.post_s),
    )


def _options(row: Row) -> EffectOptions:
    usual = EffectOptions()
    options = EffectOptions(
        pre_s=_not_negative(row, "pre_s", usual.pre_s),
        post_s=_not_negative(row, "post_s", usual.post_s),
        gap_s=_not_negative(row, "gap_s", usual.gap_s),
        min_samples=_count(row, "min_samples") if is_ours(row) else 0,
        iqr=_flag(row, "opts_iqr"),
        iqr_k=_not_negative(row, "iqr_k", usual.iqr_k),
        ema=_flag(row, "opts_ema"),
        ema_alpha=_not_negative(row, "ema_alpha", usual.ema_alpha),
    )
    if not options.gap_s < min(options.pre_s, options.post_s):
        raise Refused("range pre_s")
    return options


def _signal(row: Row, name: str, *, raw: bool) -> SignalEffect:
    short = SHORT[name]
    shown = _means(row, "", short)
    if not raw:
        values: tuple[float | None, ...] = (None, None, None)
    elif is_ours(row):
        values = _means(row, "raw_", short)
    else:
        values = shown
    pre, post, delta = values
    plain = SignalEffect(pre=pre, post=post, delta=delta, shown_pre=shown[0], shown_post=shown[1], shown_delta=shown[2])
    return _inferred(row, name, plain)


def _inferred(row: Row, name: str, plain: SignalEffect) -> SignalEffect:
    """``plain`` with its interval and verdict, as far as the file has them. A verdict must follow from its interval:
    what reads the effects goes by the verdict alone."""
    short = SHORT[name]
    numbers = {
        part: number_or_none(row, f"{part}_{short}", *_RANGES.get(part, (-math.inf, math.inf))) for part in _NUMBERS
    }
    said = row.get(f"verdict_{short}") or None
    lo, hi = numbers["lo"], numbers["hi"]
    if said is not None and said not in tuple(Verdict):
        raise Refused(f"verdict_{short}")
    if (lo is None) != (hi is None) or (lo is not None and hi is not None and lo > hi):
        raise Refused(f"range lo_{short}")
    if said is not None:
        signs = {Verdict.IMPROVED: GOOD[name], Verdict.WORSENED: -GOOD[name]}
        sign = 0 if lo is None or hi is None else (lo > 0) - (hi < 0)
        if sign != signs.get(Verdict(said), 0) or (lo is None) != (said == Verdict.INSUFFICIENT):
            raise Refused(f"verdict_{short}")
    return replace(plain, **numbers, verdict=said)


def _means(row: Row, prefix: str, short: str) -> tuple[float | None, float | None, float | None]:
    return (
        number_or_none(row, f"{prefix}pre_{short}", 0.0, 1.0),
        number_or_none(row, f"{prefix}post_{short}", 0.0, 1.0),
        number_or_none(row, f"{prefix}d_{short}", -1.0, 1.0),
    )


def _status(row: Row, signals: Mapping[str, SignalEffect]) -> EffectStatus:
    if is_ours(row):
        try:
            return EffectStatus(text(row, "status"))
        except ValueError:
            raise Refused("status") from None
    missing = sum(signal.shown_delta is None for signal in signals.values())
    if missing not in (0, len(signals)):
        raise Refused("missing delta")
    return EffectStatus.INSUFFICIENT if missing else EffectStatus.COMPUTED


def _count(row: Row, key: str) -> int:
    value = number(row, key, 0.0, 2.0**53)
    if not value.is_integer():
        raise Refused(f"number {key}")
    return int(value)


def _not_negative(row: Row, key: str, default: float) -> float:
    value = number_or_none(row, key, 0.0)
    return default if value is None else value


def _flag(row: Row, key: str) -> bool:
    value = (row.get(key) or "0").strip().lower()
    if value not in _FLAGS:
        raise Refused(f"type {key}")
    return _FLAGS[value]
