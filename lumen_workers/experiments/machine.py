"""The one step that is due in a running experiment. Everything it needs is in the store: whoever comes next goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import Paused, UsageError
from lumen_workers.domain.experiments import Experiment, ExperimentState, Period
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec, RuleSpec
from lumen_workers.domain.signals import SIGNALS, period_us
from lumen_workers.experiments.guard import breach
from lumen_workers.experiments.pace import Design, Plan
from lumen_workers.experiments.response import time_constants
from lumen_workers.loop.rules import NotApplied, Rules

ACTOR = "Lumen"
"""Who switches, in the rule history."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An experiment, its design, and what it works on."""

    store: Store
    rules: Rules
    loop: LoopSpec
    experiment: Experiment
    design: Design

    def step(self) -> str:
        """Do what is due, and say what that was, in one line.

        A period's end and the next one's beginning are one step; two workers at once do each of them once.
        """
        if self.experiment.stop_by is not None:
            return self._end(ExperimentState.STOPPED, f"stopped by {self.experiment.stop_by}", self.experiment.original)
        spec = self.loop.rules.get(self.experiment.rule)
        if spec is None:
            return self._hold(f"rule {self.experiment.rule} of loop {self.loop.name} is not declared any more")
        periods = self.store.experiments.periods(self.experiment.experiment_id)
        if periods and (why := self._refused(periods[-1])):
            return self._end(ExperimentState.ABORTED, why, self.experiment.original)
        if periods and (why := self._disturbed(periods[-1])):
            return self._end(ExperimentState.ABORTED, why, None)
        now = self.store.now()
        if why := breach(self.store, self.experiment, self.design.guard, now):
            return self._end(ExperimentState.ABORTED, why, self.experiment.original)
        if periods and periods[-1].ended is None:
            current = periods[-1]
            if current.began is None:
                return self._reach(current)
            said = self._measure(periods[:-1], current, now)
            if said is not None:
                return said
            periods = self.store.experiments.periods(self.experiment.experiment_id)
            if periods[-1].ended is None:
                return "another worker is on it"
        elif why := self._stale(now):
            return self._hold(why)
        return self._go_on(periods, spec)

    def due(self, periods: Sequence[Period]) -> datetime | None:
        """When there is something to do next, for a clock that is moved by hand; None: now."""
        if not periods or periods[-1].ended is not None or periods[-1].began is None:
            return None
        return periods[-1].began + timedelta(seconds=self.design.pace.period_s)

    def _go_on(self, periods: Sequence[Period], spec: RuleSpec) -> str:
        """Every period has ended: open the next one, or end the experiment."""
        if (why := self.design.enough(periods)) is not None:
            return self._done(periods, why)
        plan = self.design.next(periods)
        if plan is None:
            return self._done(periods, "as planned")
        return self._open(plan, len(periods) + 1, spec)

    def _open(self, plan: Plan, number: int, spec: RuleSpec) -> str:
        id_ = self.experiment.experiment_id
        wanted = Period(
            experiment_id=id_,
            number=number,
            arm=plan.arm,
            value=plan.value,
            opened=self.store.now(),
            pair=plan.pair,
            plan=plan.why,
        )
        place = f"period {number} of {self.experiment.planned}"
        try:
            period = self.store.experiments.open(
                wanted, spec, actor=ACTOR, note=f"experiment {id_}, {place}: {plan.arm}"
            )
        except Paused as error:
            return self._hold(str(error))
        except UsageError as error:
            return self._end(ExperimentState.ABORTED, str(error), self.experiment.original)
        if period is None:
            return "another worker is on it"
        self._hold(None)
        if period.began is None:
            return self._reach(period)
        return f"{place}: {plan.arm} ({plan.value:g}), as before"

    def _reach(self, period: Period) -> str:
        """The switch is recorded: see that the loop has it."""
        assert period.event_id is not None, "a period without a switch begins when it is opened"
        try:
            self.rules.apply_pending(self.loop.name)
        except NotApplied as error:
            return self._hold(str(error))
        event = self.store.rules.get(period.event_id)
        if event.applied_at is None:
            return self._hold(f"the loop does not have {event.rule} = {event.new:g} yet")
        self.store.experiments.begin(period.experiment_id, period.number, event.applied_at)
        self._hold(None)
        return f"period {period.number} of {self.experiment.planned}: {period.arm} ({period.value:g})"

    def _measure(self, before: Sequence[Period], period: Period, now: datetime) -> str | None:
        """End ``period`` when its time is over and its samples are in. None: it has ended; else what is waited for."""
        assert period.began is not None
        pace = self.design.pace
        begin, end = (to_us(period.began) + round(s * US) for s in (pace.washout_s, pace.period_s))
        place = f"period {period.number} of {self.experiment.planned}"
        if to_us(now) < end:
            if why := self._stale(now):
                return self._hold(why)
            self._hold(None)
            return f"{place}: {period.arm} ({period.value:g}), {(end - to_us(now)) / US:.0f} s to go"
        # The rate that it is sampled at: a command may have changed the declared one.
        tick = period_us(self.store.loops.rates()[self.loop.name])
        if self._newest() < end - tick:
            return self._hold(self._stale(now) or f"{place}: its last samples are not in yet")
        self._hold(None)
        block = self.store.samples.window(self.loop.name, begin, end)
        complete = len(block) >= pace.min_fraction * ((end - begin) // tick)
        alone = not self._others(period, end)
        if not (complete and alone) and period.restarts < pace.max_restarts:
            self.store.experiments.again(period, now)
            what = "samples are missing" if alone else "another rule changed"
            return f"{place} begins anew: {what}"
        means = None
        if complete and alone:
            means = dict(zip(SIGNALS, block.values.mean(axis=0).tolist(), strict=True))
        reward = None if means is None else self.design.reward(means)
        ended = replace(period, ended=now, n=len(block), means=means, reward=reward)
        log = self.design.line(before, ended)
        self.store.experiments.close(period, at=now, n=len(block), means=means, reward=reward, log=log)
        return None

    def _done(self, periods: Sequence[Period], reason: str) -> str:
        result = self._result(periods)
        return self._end(ExperimentState.DONE, reason, self.design.final(self.experiment, result), result)

    def _result(self, periods: Sequence[Period]) -> Mapping[str, Any]:
        tau_s = time_constants(self.store, self.loop.name, periods, self.design.pace.period_s)
        return self.design.result(periods, tau_s)

    def _end(
        self, state: ExperimentState, reason: str, final: float | None, result: Mapping[str, Any] | None = None
    ) -> str:
        """End it: the analysis (None: of what there is), and the rule's value (None: it stays)."""
        id_ = self.experiment.experiment_id
        if result is None:
            result = self._result([p for p in self.store.experiments.periods(id_) if p.ended is not None])
        spec = self.loop.rules.get(self.experiment.rule)
        if spec is None or (final is not None and not spec.min <= final <= spec.max):
            reason, final = f"{reason}; {self.experiment.rule} stays: its declaration does not allow it back", None
        spec = spec or RuleSpec(name=self.experiment.rule, initial=0, min=0, max=0)
        ended, event = self.store.experiments.finish(
            id_, state, reason=reason, result=result, spec=spec, final=final, actor=ACTOR
        )
        if not ended:
            return "another worker is on it"
        if event is not None:
            try:
                self.rules.apply_pending(self.loop.name)
            except NotApplied as error:
                return f"{state.value}: {reason}; {error}"
        return f"{state.value}: {reason}"

    def _refused(self, period: Period) -> str | None:
        """Why the loop has not taken the period's value, and never will: that change has failed."""
        if period.began is not None or period.event_id is None:
            return None
        event = self.store.rules.get(period.event_id)
        if event.failed_at is None:
            return None
        return f"the loop did not take {event.rule} = {event.new:g}: {event.why}"

    def _disturbed(self, period: Period) -> str | None:
        """Why the rule's value is not the experiment's: somebody else has set it.

        A switch of this experiment that is newer than ``period`` is another worker's, which has gone on meanwhile.
        """
        present = self.store.rules.current(self.loop.name).get(self.experiment.rule)
        value = self.experiment.original if present is None else present.value
        if value == period.value:
            return None
        if present is not None and present.event_id and self.store.experiments.switches([present.event_id]):
            return None
        return f"{self.experiment.rule} is {value:g}, not the {period.value:g} of period {period.number}: " + (
            "it was changed by somebody else and stays so"
        )

    def _others(self, period: Period, end: int) -> bool:
        """Whether another rule of the loop changed within the period."""
        assert period.began is not None
        events = self.store.rules.events(self.loop.name, start=period.began)
        return any(event.rule != self.experiment.rule and to_us(event.ts) < end for event in events)

    def _stale(self, now: datetime) -> str | None:
        """Why there are no fresh samples."""
        newest = self._newest()
        age = (to_us(now) - newest) / US
        if age <= self.design.pace.stale_after_s:
            return None
        return f"no samples for {age:.0f} s" if newest else "no samples yet"

    def _newest(self) -> int:
        span = self.store.samples.span(self.loop.name)
        return span[1] if span else 0

    def _hold(self, why: str | None) -> str:
        """Note what holds it."""
        self.store.experiments.hold(self.experiment.experiment_id, None if why is None else why[:500])
        return f"held: {why}"
