"""The tuner at work on one loop: gather the inputs, decide, change one rule, watch it, settle it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from lumen_workers.domain.clock import iso, to_us
from lumen_workers.domain.errors import Paused, UsageError
from lumen_workers.domain.experiments import Watch
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import DECISION
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import Effect, EffectOptions, LoopSpec, RuleEvent
from lumen_workers.domain.regions import PAUSE
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.tracker import SETTLE, compute
from lumen_workers.effects.windows import around
from lumen_workers.experiments.tuning.decide import Decision, Evidence, Inputs, LastEffect, decide, unmet
from lumen_workers.experiments.tuning.options import TuningOptions
from lumen_workers.experiments.tuning.watch import Judgement, Outcome, judge, verdicts_of
from lumen_workers.loop.rules import NotApplied, Rules

ACTOR: Final = "Lumen"
STALE_S: Final = 10.0
"""Without a sample for so long nothing is decided."""


class Belief(Protocol):
    """What earlier changes say of a rule."""

    def evidence(self, rule: str, step: float, needs: Sequence[str]) -> Evidence:
        """What speaks for changing ``rule`` by ``step`` where the signals ``needs`` are not good."""

    def of_change(self, rule: str, step: float, effect: Effect, needs: Sequence[str]) -> float:
        """Weighted p_improve of one change by ``step`` on ``needs``, from the prior and its own effect."""


@dataclass(frozen=True, kw_only=True)
class Tuner:
    """One loop's tuner. ``lock``: why the gateway lets nothing be applied (None: it does); ``phase_shift``: S14's."""

    store: Store
    rules: Rules
    loop: LoopSpec
    options: TuningOptions
    belief: Belief
    lock: Callable[[], str | None]
    phase_shift: Callable[[], float] = lambda: 0.0
    ratings: Callable[[], float | None] = lambda: None

    def suggest(self) -> tuple[Inputs, Decision]:
        """What it would do now. Changes nothing."""
        inputs = self._inputs(self.store.now())
        return inputs, decide(inputs, self.options)

    def cycle(self, slot: int) -> str:
        """Settle what is watched, or decide and act on it. ``slot`` makes the decision's id: there is one a slot."""
        name = self.loop.name
        if (said := self.settle()) is not None:
            return said
        inputs, decision = self.suggest()
        decision_id = content_id("td", name, slot)
        log = record("cycle", inputs, decision, self.options)
        chosen = decision.chosen
        if chosen is None or self.options.dry_run or inputs.blocked:
            why = decision.why
            if chosen is not None:
                why = f"not applied, {'; '.join(inputs.blocked) or 'dry run'}: {why}"
            return self._leave(decision_id, log, inputs, why)
        note = f"decision {decision_id}: {decision.why}"[:500]
        try:
            made = self.store.watches.apply(
                decision_id, name, self.loop.rules[chosen.rule], chosen.new, actor=ACTOR, note=note, log=log
            )
        except (Paused, UsageError) as error:
            return self._leave(decision_id, log, inputs, f"not applied, {error}: {decision.why}")
        if made is None:
            return "decided by another worker"
        self._reach()
        return decision.why

    def _leave(self, decision_id: str, log: Mapping[str, Any], inputs: Inputs, why: str) -> str:
        """Record a decision that changes nothing."""
        line = {**log, "applied": None, "why": why}
        entry = self.store.journal.append(self.loop.name, DECISION, line, entry_id=decision_id, ts=inputs.ts)
        return why if entry is not None else "decided by another worker"

    def settle(self) -> str | None:
        """End what is watched when its window is over. None: nothing is watched any more."""
        watch = self.store.watches.running(self.loop.name)
        return None if watch is None else self._settle(watch)

    def _settle(self, watch: Watch) -> str | None:
        event = self.store.rules.get(watch.event_id)
        if event.failed_at is not None:
            return self._close(watch, event, Judgement(outcome=Outcome.OVERTAKEN, why=f"not taken: {event.why}"), {})
        if event.applied_at is None:
            self._reach()
            return f"watching {watch.rule}: the loop does not have {event.new:g} yet"
        options = self._effect_options()
        windows = around(to_us(event.applied_at), options)
        now = self.store.now()
        span = self.store.samples.span(self.loop.name)
        waited = now - SETTLE >= event.applied_at + timedelta(seconds=options.post_s)
        if to_us(now) < windows.post_end or ((span is None or span[1] < windows.post_end) and not waited):
            return f"watching {watch.rule} {event.old:g} → {event.new:g} until {options.post_s:g} s are over"
        block = self.store.samples.window(self.loop.name, *windows.span)
        (effect,) = compute([event], [windows.split(block)], options, self.store.loops.rates()[self.loop.name], now)
        judged = self._judge(watch, event, effect)
        return self._close(watch, event, judged, {name: asdict(signal) for name, signal in effect.signals.items()})

    def _close(self, watch: Watch, event: RuleEvent, judged: Judgement, effect: Mapping[str, Any]) -> str | None:
        """Record how it ended, and take the change back where it does not stay. None: somebody was first."""
        log = {
            "kind": "outcome",
            "ts": iso(self.store.now()),
            "decision": watch.decision_id,
            "outcome": judged.outcome.value,
            "why": judged.why,
            "event": event.event_id,
            "effect": effect,
        }
        back = judged.outcome is Outcome.ROLLED_BACK
        spec = self.loop.rules.get(watch.rule)
        settled, undone = self.store.watches.settle(
            watch, judged.outcome.value, judged.why, spec=spec, back=back, actor=ACTOR, log=log
        )
        if not settled:
            return None
        if undone is not None:
            self._reach()
        return f"{judged.outcome.value.replace('_', ' ')} {watch.rule} = {event.new:g}: {judged.why}"

    def _judge(self, watch: Watch, event: RuleEvent, effect: Effect) -> Judgement:
        present = self.store.rules.current(self.loop.name)[watch.rule].value
        if present != event.new:
            return Judgement(outcome=Outcome.OVERTAKEN, why=f"{watch.rule} was changed to {present:g} by somebody else")
        decision = self.store.journal.get(watch.decision_id)
        needs = [] if decision is None else decision.data["inputs"]["needs"]
        p_improve = self.belief.of_change(watch.rule, event.new - event.old, effect, needs)
        return judge(effect, p_improve, self.options)

    def _reach(self) -> None:
        """See that the loop has its rules; one that cannot be reached is tried again by the tick."""
        try:
            self.rules.apply_pending(self.loop.name)
        except NotApplied:
            return

    def _effect_options(self) -> EffectOptions:
        window = self.options.observe_window_s
        return EffectOptions(pre_s=window, post_s=window, min_samples=self.options.min_samples)

    def _inputs(self, now: datetime) -> Inputs:
        name, options = self.loop.name, self.options
        start = now - timedelta(seconds=options.observe_window_s)
        block = self.store.samples.window(name, to_us(start), to_us(now))
        levels = dict(zip(SIGNALS, block.values.mean(axis=0).tolist(), strict=True)) if len(block) else {}
        values = {rule: value.value for rule, value in self.rules.get(name).items() if rule in self.loop.rules}
        shift = self.phase_shift()
        needs = unmet(levels, shift, options)
        fresh = len(block) and to_us(now) - int(block.ts[-1]) <= STALE_S * 1_000_000
        return Inputs(
            ts=now,
            loop=name,
            levels=levels,
            n=len(block) if fresh else 0,
            values=values,
            last={event.rule: _last(event, effect) for event, effect in self.store.effects.latest(name)},
            evidence={
                rule: self.belief.evidence(rule, knob.direction * knob.lr, needs)
                for rule, knob in options.rules.items()
                if rule in values
            },
            busy=self._busy(now),
            blocked=self._blocked(),
            needs=needs,
            phase_shift=shift,
            ratings=self.ratings(),
        )

    def _busy(self, now: datetime) -> Sequence[str]:
        """Why nothing may be changed now."""
        name = self.loop.name
        found = [f"experiment {e.experiment_id} is running" for e in self.store.experiments.rows(name, running=True)]
        if (watch := self.store.watches.running(name)) is not None:
            found.append(f"{watch.rule} is being watched")
        if unapplied := self.store.rules.unapplied(name):
            found.append(f"the loop does not have {unapplied[0].rule} = {unapplied[0].new:g} yet")
        cool = timedelta(seconds=self.options.cooldown_s)
        for rule, value in self.store.rules.current(name).items():
            if value.since is not None and now - value.since < cool:
                found.append(f"cooldown: {rule} changed {(now - value.since).total_seconds():.0f} s ago")
        return found

    def _blocked(self) -> Sequence[str]:
        """Why nothing may be applied for real."""
        found = [why for why in (self.lock(),) if why is not None]
        if any(switch.name == PAUSE for switch in self.store.switches.rows()):
            found.append("automatic changes are paused")
        return found


def record(kind: str, inputs: Inputs, decision: Decision, options: TuningOptions) -> dict[str, Any]:
    """The decision's line: S11's ``ts, kind, deltas, proposals``, and every input."""
    return {
        "ts": iso(inputs.ts),
        "kind": kind,
        "deltas": {rule: dict(effect.delta) for rule, effect in inputs.last.items()},
        "proposals": [asdict(proposal) for proposal in decision.proposals],
        "chosen": None if decision.chosen is None else decision.chosen.rule,
        "why": decision.why,
        "dry_run": options.dry_run,
        "inputs": _plain(asdict(inputs)),
    }


def _plain(value: Any) -> Any:
    """JSON values: instants as text."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _last(event: RuleEvent, effect: Effect) -> LastEffect:
    return LastEffect(
        event_id=event.event_id,
        at=event.applied_at or event.ts,
        delta={name: signal.delta for name, signal in effect.signals.items() if signal.delta is not None},
        verdict=verdicts_of(effect),
    )
