"""The effect tracker: every applied rule event, once for each set of options, when its post window is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US, from_us, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Effect, EffectOptions, EffectStatus, RuleEvent, SignalEffect
from lumen_workers.domain.signals import GOOD, SIGNALS, Block, period_us
from lumen_workers.effects.filters import Floats, ema, iqr_mask
from lumen_workers.effects.intervals import Interval, differences
from lumen_workers.effects.placebo import QUIET_S, placebo
from lumen_workers.effects.verdicts import Verdict, verdict
from lumen_workers.effects.windows import Windows, around

SETTLE: Final = timedelta(minutes=15)
"""How long an event waits for samples that a writer may still hold: a store that is away for 10 minutes loses none,
so they can come that much later. A loop that has stopped gets its effect after this."""

LEVEL: Final = 0.95
"""With this probability the true difference is within an effect's interval."""

_INFERRED: Final = ("lo", "hi", "level", "se", "phi", "n_eff", "mde", "p")

BATCH: Final = 200
"""Effects written in one transaction: a killed worker repeats at most these."""


def compute_due(store: Store, loop: str, options: EffectOptions, now: datetime) -> list[Effect]:
    """Compute and store every effect of ``loop`` that is due at ``now`` (store time); returns them, oldest first.

    Due: applied, post window over, no effect for these options yet, and the samples are in: the newest stored one is
    at the end of the post window, or SETTLE has passed since. Reads two ranges an event: its windows, and the
    stretch before it that its placebo rank is taken from.
    Two workers at once are harmless: the store keeps one row for each event and options.
    Raises UsageError for an unknown loop or options whose windows are empty.
    """
    rate_hz = store.loops.rates().get(loop)
    if rate_hz is None:
        raise UsageError(f"loop {loop!r}: unknown; known are {', '.join(store.loops.rates()) or 'none'}")
    ready = _ready(store, loop, rate_hz, options, now)
    done: list[Effect] = []
    for first in range(0, len(ready), BATCH):
        part = ready[first : first + BATCH]
        blocks = store.samples.windows(loop, [windows.span for _, windows in part])
        pairs = [windows.split(block) for (_, windows), block in zip(part, blocks, strict=True)]
        effects = compute([event for event, _ in part], pairs, options, rate_hz, now)
        effects = _ranked(store, loop, effects, [event for event, _ in part], options, rate_hz)
        store.effects.add(effects)
        done += effects
    return done


def compute(
    events: Sequence[RuleEvent],
    windows: Sequence[tuple[Block, Block]],
    options: EffectOptions,
    rate_hz: int,
    now: datetime,
) -> list[Effect]:
    """The effects of ``events`` from the (pre, post) samples of each one's windows.

    Δ = mean(post) − mean(pre) of the raw samples, with its interval and verdict; the ``shown_*`` values pass the
    options' filters first (IQR mask, then EMA). With fewer than ``min_samples`` on a side the effect is insufficient:
    counts, and no values. ``seq`` is 0 until the store numbers it.
    """
    enough = [min(map(len, pair)) >= max(1, options.min_samples) for pair in windows]
    intervals = iter(differences([pair for pair, able in zip(windows, enough, strict=True) if able], rate_hz, LEVEL))
    out = []
    for event, (pre, post), able in zip(events, windows, enough, strict=True):
        insufficient = SignalEffect(verdict=Verdict.INSUFFICIENT.value)
        signals = _signal_effects(pre, post, options, next(intervals)) if able else dict.fromkeys(SIGNALS, insufficient)
        out.append(
            Effect(
                effect_id=effect_id(event.event_id, options),
                event_id=event.event_id,
                loop=event.loop,
                seq=0,
                options=options,
                status=EffectStatus.COMPUTED if able else EffectStatus.INSUFFICIENT,
                n_pre=len(pre),
                n_post=len(post),
                signals=signals,
                computed_at=now,
            )
        )
    return out


def effect_id(event_id: str, options: EffectOptions) -> str:
    """The id of an event's effect for these options: always the same."""
    return content_id("ef", event_id, options.key())


def _ready(
    store: Store, loop: str, rate_hz: int, options: EffectOptions, now: datetime
) -> Sequence[tuple[RuleEvent, Windows]]:
    found = []
    for event in store.effects.due(loop, options, now):
        assert event.applied_at is not None, "the store hands out applied events only"
        found.append((event, around(to_us(event.applied_at), options)))
    if not found:
        return found
    span = store.samples.span(loop)
    newest = span[1] if span else 0
    settled = to_us(now - SETTLE)
    period = period_us(rate_hz)
    # A tick lies in every period: a sample in the last period of the window, or after it, says that the rest is in.
    return [(event, w) for event, w in found if newest >= w.post_end - period or w.post_end <= settled]


def _ranked(
    store: Store,
    loop: str,
    effects: Sequence[Effect],
    events: Sequence[RuleEvent],
    options: EffectOptions,
    rate_hz: int,
) -> list[Effect]:
    """The effects with their ranks among pseudo-events in the stretch before each."""
    at = [to_us(event.applied_at) for event in events if event.applied_at is not None]
    quiet = round(QUIET_S * US)
    # An event is applied a little after it was recorded; those recorded a little before the stretch count, too.
    known = store.rules.events(loop, start=from_us(min(at) - quiet) - SETTLE, end=from_us(max(at)))
    away = [to_us(event.applied_at) for event in known if event.applied_at is not None]
    ranges = _merged(sorted((moment - quiet, moment) for moment in at))
    ranked: dict[int, Effect] = {}
    for (start, end), block in zip(ranges, store.samples.windows(loop, ranges), strict=True):
        for place, moment in enumerate(at):
            if start <= moment - quiet and moment <= end:
                others = [other for other in away if moment - quiet <= other < moment]
                stretch = block.slice(moment - quiet, moment)
                ranked[place] = _rank(effects[place], stretch, moment, others, options, rate_hz)
    return [ranked[place] for place in range(len(effects))]


def _merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that overlap as one, so that what several events need is read once."""
    out: list[tuple[int, int]] = []
    for start, end in ranges:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _rank(
    effect: Effect, stretch: Block, moment: int, others: Sequence[int], options: EffectOptions, rate_hz: int
) -> Effect:
    deltas = {name: signal.delta for name, signal in effect.signals.items()}
    ranks = placebo(stretch, moment, others, deltas, options, rate_hz)
    signals = {
        name: signal if (rank := ranks[name]) is None else replace(signal, placebo_p=rank.p)
        for name, signal in effect.signals.items()
    }
    return replace(effect, signals=signals)


def _signal_effects(
    pre: Block, post: Block, options: EffectOptions, intervals: Mapping[str, Interval | None]
) -> dict[str, SignalEffect]:
    raw = zip(_means(pre.values), _means(post.values), strict=True)
    shown = zip(_shown_means(pre.values, options), _shown_means(post.values, options), strict=True)
    out = {}
    for name, (before, after), (shown_before, shown_after) in zip(SIGNALS, raw, shown, strict=True):
        plain = SignalEffect(
            pre=before,
            post=after,
            delta=after - before,
            shown_pre=shown_before,
            shown_post=shown_after,
            shown_delta=None if shown_before is None or shown_after is None else shown_after - shown_before,
            verdict=verdict(intervals[name], GOOD[name]).value,
        )
        interval = intervals[name]
        numbers = {} if interval is None else {part: getattr(interval, part) for part in _INFERRED}
        out[name] = replace(plain, **numbers)
    return out


def _means(values: Floats) -> list[float]:
    means: list[float] = values.mean(axis=0).tolist()
    return means


def _shown_means(values: Floats, options: EffectOptions) -> Sequence[float | None]:
    """Means after the display filters; None where the mask leaves nothing (a tiny ``k`` on few samples)."""
    if not (options.iqr or options.ema):
        return _means(values)
    mask = iqr_mask(values, options.iqr_k) if options.iqr else np.ones(values.shape, np.bool_)
    out: list[float | None] = []
    for column, kept in zip(values.T, mask.T, strict=True):
        series = column[kept]
        if options.ema:
            series = ema(series, options.ema_alpha)
        out.append(float(series.mean()) if len(series) else None)
    return out
