"""The series of a loop around an event, read from the store: the windows only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np

from lumen_workers.domain.clock import US, from_us, iso, parse_ts, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.experiments.impact.records import Floats, Good, ImpactOptions, Ints, Observations

GOOD: Final = {
    "phase_diff": Good.DOWN,
    "entropy_rate": Good.DOWN,
    "creative_band": Good.UP,
    "risk_band": Good.DOWN,
}
"""The direction in which each signal is better (S05)."""

RELEVANT: Final = 0.01
"""The smallest effect on a signal that matters (S07's thresholds for a quote)."""


def instant(store: Store, loop: str, event: str) -> tuple[int, str | None]:
    """The instant (µs) of ``event``, an id or an ISO 8601 time, and the id if it is one.

    A rule event counts from when the loop had the value. Raises UsageError for one of another loop or one that the loop
    does not have yet, NotFound for an unknown one.
    """
    try:
        datetime.fromisoformat(event.strip())
    except ValueError:
        found = store.rules.get(event)
    else:
        return to_us(parse_ts(event, "--event")), None
    if found.loop != loop:
        raise UsageError(f"event {event} is of loop {found.loop}; add --loop {found.loop}")
    if found.applied_at is None:
        raise UsageError(f"event {event} has not reached the loop yet; there is no effect to look for")
    return to_us(found.applied_at), found.event_id


def observations(
    store: Store, loop: str, metric: str, controls: Sequence[str], event_us: int, options: ImpactOptions
) -> Observations:
    """``metric`` of ``loop`` and its controls around the event.

    A control is a signal of the same loop, or ``loop:signal`` of another one: its sample nearest in time, at most half
    a period away, else missing. Raises UsageError for names that are not there, and where there are no samples.
    """
    start, end = bounds(event_us, options)
    rates = store.loops.rates()
    if loop not in rates:
        raise UsageError(f"unknown loop {loop!r}; this home has: {', '.join(rates) or 'none'}")
    _signal(metric, metric)
    block = store.samples.window(loop, start, end)
    if not len(block):
        raise UsageError(
            f"loop {loop} has no samples from {iso(from_us(start))} to {iso(from_us(end))}; "
            "`lumen loop list` tells what there is"
        )
    names = tuple(control.removeprefix(f"{loop}:") for control in controls)
    others: dict[str, Block] = {}
    columns: list[Floats] = []
    for name in names:
        other, _, signal = name.rpartition(":")
        column = _signal(signal, name)
        if not other:
            columns.append(block.values[:, column])
            continue
        if other not in rates:
            raise UsageError(f"control {name}: unknown loop {other!r}; this home has: {', '.join(rates)}")
        if other not in others:
            others[other] = store.samples.window(other, start - US, end + US)
        columns.append(_nearest(block.ts, others[other], column, max(period_us(rates[other]), period_us(rates[loop]))))
    return Observations(
        ts=block.ts,
        target=metric,
        y=block.values[:, SIGNALS.index(metric)],
        controls=names,
        x=np.column_stack(columns) if columns else np.empty((len(block), 0)),
    )


def bounds(event_us: int, options: ImpactOptions) -> tuple[int, int]:
    """[start, end) in µs of what an analysis reads. Raises UsageError for windows without an end."""
    if options.pre_s is None or options.post_s is None:
        raise UsageError("a loop has no end: give pre_s and post_s")
    return event_us - round(options.pre_s * US), event_us + round(options.post_s * US)


def overlaps(store: Store, loop: str, event_id: str | None, event_us: int, options: ImpactOptions) -> tuple[str, ...]:
    """A sentence about the loop's other rule changes within the windows, if there are any."""
    start, end = bounds(event_us, options)
    found = [
        event.event_id
        for event in store.rules.events(loop, start=from_us(start), end=from_us(end))
        if event.event_id != event_id and to_us(event.ts) != event_us
    ]
    if not found:
        return ()
    named = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return (f"Other rule changes lie within the windows ({named}): what they did is in these numbers too.",)


def _signal(signal: str, name: str) -> int:
    if signal not in SIGNALS:
        raise UsageError(f"unknown signal {name!r}; there are {', '.join(SIGNALS)}, and LOOP:SIGNAL of another loop")
    return SIGNALS.index(signal)


def _nearest(ts: Ints, other: Block, column: int, period: int) -> Floats:
    """The other loop's value at the sample nearest to each of ``ts``; NaN where none is within half a period."""
    out = np.full(len(ts), np.nan)
    if len(other):
        after = np.clip(np.searchsorted(other.ts, ts), 0, len(other) - 1)
        before = np.maximum(after - 1, 0)
        near = np.where(np.abs(other.ts[before] - ts) <= np.abs(other.ts[after] - ts), before, after)
        close = 2 * np.abs(other.ts[near] - ts) <= period
        out[close] = other.values[near[close], column]
    return out
