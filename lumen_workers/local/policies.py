"""Who tunes the simulated loop: nobody, the source's heuristic, the tuner, bandits one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.experiments import Experiment
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.experiments.bandit.options import BanditOptions
from lumen_workers.experiments.bandit.run import BanditPlan
from lumen_workers.experiments.bayes import Priors
from lumen_workers.experiments.belief import believe, fold
from lumen_workers.experiments.designs import design_of
from lumen_workers.experiments.launch import launch, plan_bandit
from lumen_workers.experiments.machine import Machine
from lumen_workers.experiments.pace import Guard, Pace
from lumen_workers.experiments.scores import decision_scores
from lumen_workers.experiments.tuning.cycle import Tuner
from lumen_workers.experiments.tuning.decide import Evidence, Inputs, decide, unmet
from lumen_workers.experiments.tuning.options import TuningOptions
from lumen_workers.local.simulation import Act, Simulation

WARM: Final = timedelta(minutes=5)
"""Nobody acts before the loop has run for so long."""
REST: Final = timedelta(hours=24)
"""Between the end of one bandit and the next."""


def hold(simulation: Simulation) -> datetime:
    """Change nothing."""
    return simulation.clock.now() + timedelta(days=1)


@dataclass(kw_only=True)
class Heuristic:
    """S11's order as the source had it: no evidence, no watch, no way back."""

    options: TuningOptions
    every: timedelta

    def __call__(self, simulation: Simulation) -> datetime:
        now = simulation.clock.now()
        if now < simulation.start + WARM:
            return simulation.start + WARM
        window = simulation.store.samples.window(
            simulation.spec.name, to_us(now - timedelta(seconds=self.options.observe_window_s)), to_us(now)
        )
        levels = dict(zip(SIGNALS, window.values.mean(axis=0).tolist(), strict=True)) if len(window) else {}
        values = {rule: value.value for rule, value in simulation.rules.get(simulation.spec.name).items()}
        certain = {rule: Evidence(p_improve=1.0, n=0) for rule in values}
        inputs = Inputs(
            ts=now,
            loop=simulation.spec.name,
            levels=levels,
            n=len(window),
            values=values,
            needs=unmet(levels, 0.0, self.options),
            evidence=certain,
        )
        chosen = decide(inputs, self.options).chosen
        if chosen is not None:
            simulation.rules.set(simulation.spec.name, chosen.rule, chosen.new, actor="Lumen", automatic=True)
        return now + self.every


@dataclass(kw_only=True)
class Tuned:
    """The self-tuner, applying for real; its watches are looked at when they are over."""

    options: TuningOptions
    priors: Priors
    every: timedelta

    def __post_init__(self) -> None:
        self.options = replace(self.options, dry_run=False)

    def __call__(self, simulation: Simulation) -> datetime:
        now = simulation.clock.now()
        if now < simulation.start + WARM:
            return simulation.start + WARM
        store, loop = simulation.store, simulation.spec.name
        fold(store, loop, self.priors)
        steps = {rule: knob.direction * knob.lr for rule, knob in self.options.rules.items()}
        tuner = Tuner(
            store=store,
            rules=simulation.rules,
            loop=simulation.spec,
            options=self.options,
            belief=believe(store, loop, self.priors, decision_scores(store, loop, steps)),
            lock=lambda: None,
        )
        tuner.cycle(to_us(now) // 1_000_000)
        if store.watches.running(loop) is not None:
            return now + timedelta(seconds=self.options.observe_window_s + 2)
        return now + self.every


@dataclass(kw_only=True)
class Bandits:
    """A bandit on one rule after the other, over the whole of its bounds; what is clearly best stays."""

    seed: int
    rounds: int = 24
    pace: Pace = field(default_factory=lambda: Pace(period_s=150, washout_s=20))
    count: int = 0
    running: Experiment | None = None

    def __call__(self, simulation: Simulation) -> datetime:
        now = simulation.clock.now()
        if now < simulation.start + WARM:
            return simulation.start + WARM
        if self.running is None:
            self.running = launch(
                simulation.store,
                plan_bandit(simulation.store, simulation.spec, self._plan(simulation), by="simulation"),
            )
            self.count += 1
        experiment = simulation.store.experiments.get(self.running.experiment_id)
        machine = Machine(
            store=simulation.store,
            rules=simulation.rules,
            loop=simulation.spec,
            experiment=experiment,
            design=design_of(experiment),
        )
        machine.step()
        if simulation.store.experiments.get(experiment.experiment_id).ended is not None:
            self.running = None
            return now + REST
        due = machine.due(simulation.store.experiments.periods(experiment.experiment_id))
        return now + timedelta(seconds=1) if due is None else max(due, now + timedelta(seconds=1))

    def _plan(self, simulation: Simulation) -> BanditPlan:
        rules = sorted(simulation.spec.rules)
        spec = simulation.spec.rules[rules[self.count % len(rules)]]
        arms = tuple(round(spec.min + part * (spec.max - spec.min) / 3, 6) for part in range(4))
        return BanditPlan(
            loop=simulation.spec.name,
            bandit=BanditOptions(
                rule=spec.name,
                arms=arms,
                seed=self.seed + self.count,
                rounds=self.rounds,
                sigma0=0.02,
                noise_sigma=0.005,
            ),
            pace=self.pace,
            guard=Guard(warn={}),
            keep="best",
        )


def policies(options: TuningOptions, priors: Priors, seed: int, every: timedelta) -> Mapping[str, Callable[[], Act]]:
    """Name → what makes the policy."""
    return {
        "hold": lambda: hold,
        "heuristic": lambda: Heuristic(options=options, every=every),
        "tuned": lambda: Tuned(options=options, priors=priors, every=every),
        "bandit": lambda: Bandits(seed=seed),
    }
