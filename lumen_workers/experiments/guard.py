"""Guardrails: what ends an experiment at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.experiments import Experiment
from lumen_workers.domain.ports import Store
from lumen_workers.domain.signals import GOOD, SIGNALS, Block
from lumen_workers.effects.intervals import difference
from lumen_workers.experiments.pace import Guard


def breach(store: Store, experiment: Experiment, guard: Guard, now: datetime) -> str | None:
    """Which guardrail is broken at ``now``, in words; None: none is, or there are too few samples to tell."""
    rate_hz = store.loops.rates()[experiment.loop]
    if guard.hard and (why := _out_of_bounds(store, experiment, guard, now, rate_hz)) is not None:
        return why
    # Not before the experiment: what was there then is not its doing.
    start = max(now - timedelta(seconds=guard.window_s), experiment.started)
    recent = _window(store, experiment.loop, start, now)
    if len(recent) < 0.5 * guard.window_s * rate_hz:
        return None
    if not guard.warn:
        return None
    before = _window(
        store, experiment.loop, experiment.started - timedelta(seconds=guard.baseline_s), experiment.started
    )
    return worse(before, recent, rate_hz, guard)


def worse(before: Block, recent: Block, rate_hz: int, guard: Guard) -> str | None:
    """Which signal is too much worse in ``recent`` than in ``before`` the experiment, and surely so, in words.

    Both in ascending order, ``before`` first. None: none is, or there are too few samples to tell.
    """
    if min(len(before), len(recent)) < 0.5 * guard.window_s * rate_hz:
        return None
    moved = dict(zip(SIGNALS, (recent.values.mean(axis=0) - before.values.mean(axis=0)).tolist(), strict=True))
    beyond = [name for name, most in guard.warn.items() if -GOOD[name] * moved[name] >= most]
    if not beyond:
        # Nearly every look ends here, without the work of an interval.
        return None
    found = difference(before, recent, rate_hz, guard.level)
    for name in beyond:
        interval = found[name]
        if interval is not None and (interval.lo > 0 or interval.hi < 0):
            most = guard.warn[name]
            return f"guardrail: {name} is {interval.delta:+.3f} against before the experiment; {most:g} is allowed"
    return None


def _out_of_bounds(store: Store, experiment: Experiment, guard: Guard, now: datetime, rate_hz: int) -> str | None:
    # As below: nothing from before the experiment.
    start = max(now - timedelta(seconds=guard.hard_s), experiment.started)
    newest = _window(store, experiment.loop, start, now)
    if len(newest) < 0.5 * guard.hard_s * rate_hz:
        return None
    means = dict(zip(SIGNALS, newest.values.mean(axis=0).tolist(), strict=True))
    for name, (least, greatest) in guard.hard.items():
        if not least <= means[name] <= greatest:
            return f"guardrail: {name} was {means[name]:.3f} over {guard.hard_s:g} s, outside {least:g} to {greatest:g}"
    return None


def _window(store: Store, loop: str, start: datetime, end: datetime) -> Block:
    return store.samples.window(loop, to_us(start), to_us(end))
