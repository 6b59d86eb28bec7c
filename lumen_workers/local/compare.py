"""`lumen simulate`: policies side by side on the same simulated loop, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from lumen_workers.domain.ids import DAILY
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.runs import Seal
from lumen_workers.experiments.backtest.score import Score, best
from lumen_workers.experiments.bayes import Priors
from lumen_workers.experiments.tuning.options import TuningOptions
from lumen_workers.findings.speaker import speak
from lumen_workers.findings.thresholds import Thresholds
from lumen_workers.local.policies import policies
from lumen_workers.local.simulation import Simulation, run
from lumen_workers.loop.plant import PlantOptions

POLICIES: Final = ("hold", "heuristic", "tuned", "bandit")
BASE: Final = {"phase_diff": 0.07, "entropy_rate": 0.24, "creative_band": 0.23, "risk_band": 0.34}
"""Where the simulated loop begins: beyond its targets, which its rules can bring it to."""
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is simulated. ``every_s``: how often a policy is asked; ``wave``: daily swing of every signal; ``reports``:
    a folder for the simulated days' reports (None: none are made)."""

    spec: LoopSpec
    tuning: TuningOptions
    priors: Priors
    days: int
    seed: int = 1
    every_s: float = 1800.0
    wave: float = 0.01
    phi: float = 0.9
    sd: float = 0.02
    tau_s: float = 5.0
    reports: Path | None = None
    locale: str = "en"
    zone: str = "UTC"
    policies: Sequence[str] = field(default=POLICIES)


def compare(study: Study, progress: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """Every policy's outcome, in the study's order.

    ``regret``: mean reward lost against the best fixed rules, for each tick; ``outside``: share of ticks at which a
    true level was beyond its target; ``changes`` and ``rollbacks`` of rules.
    """
    found: dict[str, dict[str, Any]] = {}
    workers = min(len(study.policies), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(simulate, study, name): name for name in study.policies}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            if progress is not None:
                progress(f"{futures[future]}: {study.days} days in {found[futures[future]]['seconds']:.1f} s")
    return [found[name] for name in study.policies]


def simulate(study: Study, policy: str) -> dict[str, Any]:
    """One policy's outcome."""
    begin = time.perf_counter()
    plant = PlantOptions(base=BASE, phi=study.phi, sd=study.sd, tau_s=study.tau_s, seed=study.seed)
    values, top = best(plant, study.spec.rules)
    simulation = Simulation(
        spec=study.spec,
        plant=plant,
        start=START,
        score=Score(targets=study.tuning.targets, best=top),
        wave=study.wave,
    )
    act = policies(study.tuning, study.priors, study.seed, timedelta(seconds=study.every_s))[policy]()
    each_day = None if study.reports is None else Reporter(study, policy)
    try:
        run(simulation, act, study.days, each_day)
        name, score = study.spec.name, simulation.score
        events = simulation.store.rules.events(name)
        experiments = simulation.store.experiments.rows(name)
        return {
            "policy": policy,
            "days": study.days,
            "samples": score.ticks,
            "regret": score.regret / score.ticks,
            "outside": score.outside / score.ticks,
            "beyond": {signal: count / score.ticks for signal, count in score.beyond.items()},
            "changes": sum(event.undoes is None for event in events),
            "rollbacks": sum(event.undoes is not None for event in events),
            "effects": len(simulation.store.effects.rows(name)),
            "experiments": len(experiments),
            "rules": {rule: value.value for rule, value in simulation.rules.get(name).items()},
            "best_rules": values,
            "seconds": round(time.perf_counter() - begin, 2),
        }
    finally:
        simulation.close()


@dataclass
class Reporter:
    """Writes each simulated day's report, as Markdown and PDF."""

    study: Study
    policy: str

    def __call__(self, simulation: Simulation) -> None:
        from lumen_workers.reports import collect, render_markdown, render_pdf

        assert self.study.reports is not None
        zone = ZoneInfo(self.study.zone)
        end = simulation.clock.now()
        start = end - timedelta(days=1)
        store, loop = simulation.store, simulation.spec.name
        speak(store, loop, Thresholds(), self.study.locale, silent=store.experiments.switches)
        seal = Seal(
            pipeline=DAILY,
            day=start.astimezone(zone).date(),
            revision=1,
            start=start,
            end=end,
            cutoff=end,
            watermark=store.loops.watermark(),
            settings={
                "zone": self.study.zone,
                "locale": self.study.locale,
                "effect_options": simulation.effects.key(),
                "rates": store.loops.rates(),
            },
            code_version="simulated",
            config_digest="simulated",
            prev_digest=None,
            sealed_at=end,
        )
        report = collect(store, seal)
        folder = self.study.reports / self.policy
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"report_{seal.day}.md").write_text(render_markdown(report), encoding="utf-8")
        render_pdf(report, folder / f"report_{seal.day}.pdf")
