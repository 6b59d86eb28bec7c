"""A loop with known truth, a store in memory and a clock that is moved by hand: days pass in seconds.

What moves on is what moves on in the workers: the effect tracker, the experiments' step, the tuner's cycle. Only the
clock jumps from one thing that is due to the next, and the samples in between are made in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from lumen_workers.adapters.actuators.none import NoneActuator
from lumen_workers.adapters.store import SqlStore, open_simulation
from lumen_workers.domain.clock import US, VirtualClock, to_us
from lumen_workers.domain.records import EffectOptions, LoopSpec, RuleEvent
from lumen_workers.domain.signals import Block, period_us
from lumen_workers.effects.tracker import compute_due
from lumen_workers.experiments.backtest.score import Score
from lumen_workers.loop.noise import ar1_noise
from lumen_workers.loop.plant import SATURATED, PlantOptions, drive, expected
from lumen_workers.loop.rules import Rules

KEEP_S: Final = 2 * 86_400.0
"""Samples older than this are forgotten: nothing looks further back."""


@dataclass(kw_only=True)
class Simulation:
    """One loop under one policy. ``wave``: a daily swing of every signal, in units of the signal."""

    spec: LoopSpec
    plant: PlantOptions
    start: datetime
    score: Score
    effects: EffectOptions = field(default_factory=EffectOptions)
    wave: float = 0.0

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.start)
        self.store: SqlStore = open_simulation(self.clock, KEEP_S)
        self.store.loops.register(self.spec.name, self.spec.rate_hz, self.spec.source)
        self.rules = Rules(self.store, {self.spec.name: self.spec}, lambda _: NoneActuator())
        self._sampled = self._grid(to_us(self.start))
        self._recent: list[RuleEvent] = []
        self._before: dict[str, float] = {}
        self._seen = self.start

    def go_to(self, when: datetime) -> None:
        """Let the loop run until ``when``, compute the effects that have come due."""
        self._sample(to_us(when))
        self.clock.advance(max(0.0, (when - self.clock.now()).total_seconds()))

    def skip(self, when: datetime) -> None:
        """Leave the samples before ``when`` that are not made yet out: the loop was not sampled."""
        self._sampled = max(self._sampled, self._grid(to_us(when)))

    def measure(self) -> int:
        """Compute the effects that are due; returns how many."""
        return len(compute_due(self.store, self.spec.name, self.effects, self.clock.now()))

    def close(self) -> None:
        """Forget everything."""
        self.store.close()

    def _sample(self, end_us: int) -> None:
        """The samples of the ticks before ``end_us``, for the rules as they have been."""
        step = period_us(self.spec.rate_hz)
        end_us = self._grid(end_us)
        self._look()
        # A day at a time: arrays of millions of rows cost more than they save.
        for first in range(self._sampled, end_us, 86_400 * US):
            last = min(first + 86_400 * US, end_us)
            ts = np.arange(first, last, step, dtype=np.int64)
            level = np.clip(expected(self.plant, drive(self.plant, self._recent, self._before), ts), 0.0, 1.0)
            if self.wave:
                level = level + self.wave * np.sin(2 * np.pi * (ts % (86_400 * US)) / (86_400 * US))[:, None]
            self.score.add(level)
            noise = ar1_noise(self.plant.seed, first // step, len(ts), self.plant.phi, self.plant.sd)
            self.store.samples.add(self.spec.name, Block(ts, np.clip(level + noise, 0.0, 1.0)))
        self._sampled = max(end_us, self._sampled)

    def _look(self) -> None:
        """Take over rule events that have come, and let those go whose response is over."""
        now = self.clock.now()
        fresh = self.store.rules.events(self.spec.name, start=self._seen)
        known = {event.event_id for event in self._recent}
        self._recent += [event for event in fresh if event.event_id not in known]
        self._seen = now
        gone = now - timedelta(seconds=SATURATED * self.plant.tau_s)
        kept = []
        for event in self._recent:
            if event.applied_at is not None and event.applied_at < gone:
                self._before[event.rule] = event.new - self.spec.rules[event.rule].initial
            else:
                kept.append(event)
        self._recent = kept
        for event in reversed(kept):
            self._before[event.rule] = event.old - self.spec.rules[event.rule].initial

    def _grid(self, us: int) -> int:
        step = period_us(self.spec.rate_hz)
        return -(-us // step) * step


Act = Callable[[Simulation], datetime]
"""A policy's turn: it does what is due, and says when it wants to be asked again."""


def run(simulation: Simulation, act: Act, days: float, each_day: Callable[[Simulation], None] | None = None) -> None:
    """Let ``act`` tune the loop for ``days``; effects are computed as soon as they are due.

    ``each_day`` is called at the end of every whole day.
    """
    end = simulation.start + timedelta(days=days)
    settle = timedelta(seconds=simulation.effects.post_s + 1)
    waiting: list[datetime] = []
    turn = simulation.start
    day = simulation.start + timedelta(days=1)
    while (now := simulation.clock.now()) < end:
        if now >= turn:
            before = _newest(simulation)
            turn = act(simulation)
            if _newest(simulation) != before:
                waiting.append(now + settle)
        while waiting and waiting[0] <= now:
            waiting.pop(0)
            simulation.measure()
        if now >= day:
            day += timedelta(days=1)
            if each_day is not None:
                each_day(simulation)
        simulation.go_to(min([end, day, max(turn, now + timedelta(seconds=1)), *waiting[:1]]))
    simulation.measure()
    if each_day is not None and day <= end:
        each_day(simulation)


def _newest(simulation: Simulation) -> Mapping[str, str | None]:
    """Rule → its newest event."""
    return {rule: value.event_id for rule, value in simulation.store.rules.current(simulation.spec.name).items()}
