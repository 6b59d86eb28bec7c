"""A simulated plant with an experiment on it, and the tick that moves it along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lumen_workers.domain.experiments import Experiment
from lumen_workers.domain.records import LoopSpec, RuleSpec
from lumen_workers.experiments.backtest.score import Score
from lumen_workers.experiments.bracket.options import BracketOptions
from lumen_workers.experiments.designs import design_of
from lumen_workers.experiments.launch import launch, plan_bracket
from lumen_workers.experiments.machine import Machine
from lumen_workers.experiments.pace import Guard, Pace
from lumen_workers.local.simulation import Simulation
from lumen_workers.loop.plant import PlantOptions

START = datetime(2026, 1, 5, 0, tzinfo=UTC)
RULES = {
    "creative_min": RuleSpec(name="creative_min", initial=0.22, min=0.18, max=0.35),
    "risk_max": RuleSpec(name="risk_max", initial=0.35, min=0.20, max=0.40),
}
PLANT = LoopSpec(name="main", rate_hz=5, source="plant", rules=RULES)


def plant(*, warm_s: float = 300, options: PlantOptions | None = None) -> Simulation:
    """A loop that has run for ``warm_s`` seconds."""
    made = Simulation(spec=PLANT, plant=options or PlantOptions(seed=5), start=START, score=Score(targets={}, best=0.0))
    made.go_to(START + timedelta(seconds=warm_s))
    return made


def bracket(**changes: object) -> BracketOptions:
    """A short bracket: six pairs of 2 × 40 s, 15 s of each washed out."""
    usual = BracketOptions(
        loop="main",
        rule="risk_max",
        a=0.34,
        b=0.30,
        pairs=6,
        pace=Pace(period_s=40.0, washout_s=15.0),
        guard=Guard(),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def started(sim: Simulation, options: BracketOptions | None = None, seed: int = 3) -> Experiment:
    return launch(sim.store, plan_bracket(sim.store, PLANT, options or bracket(), by="r/h/me", seed=seed))


def step(sim: Simulation, experiment: Experiment) -> str:
    """What the tick does."""
    now = sim.store.experiments.get(experiment.experiment_id)
    if now.ended is not None:
        return "over"
    return Machine(store=sim.store, rules=sim.rules, loop=PLANT, experiment=now, design=design_of(now)).step()


def run(
    sim: Simulation,
    experiment: Experiment,
    seconds: float,
    *,
    every_s: float = 5.0,
    each: Callable[[str], object] | None = None,
) -> list[str]:
    """Tick for ``seconds``; returns what each tick said."""
    said = []
    end = sim.clock.now() + timedelta(seconds=seconds)
    while sim.clock.now() < end:
        sim.go_to(sim.clock.now() + timedelta(seconds=every_s))
        said.append(step(sim, experiment))
        if each is not None:
            each(said[-1])
        if said[-1] == "over":
            break
    return said


def values(sim: Simulation) -> Mapping[str, float]:
    return {name: value.value for name, value in sim.rules.get("main").items()}
