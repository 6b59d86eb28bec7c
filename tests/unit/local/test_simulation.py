"""Simulated days: the policies' order is what it must be, and the same seed gives the same days."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.plants import PLANT

from lumen_workers.experiments.backtest.score import best, reward, settled
from lumen_workers.experiments.bayes import Normal, Priors
from lumen_workers.experiments.tuning.options import TuningOptions
from lumen_workers.local.compare import BASE, Study, compare, simulate
from lumen_workers.loop.plant import PlantOptions

PRIORS = Priors(
    effects={"risk_max": {"risk_band": Normal(mu=-0.01, sigma=0.02)}},
    steps={"creative_min": 0.02, "risk_max": -0.02},
)


def study(**changes: object) -> Study:
    usual = Study(spec=replace(PLANT, rate_hz=1), tuning=TuningOptions(min_samples=60), priors=PRIORS, days=1)
    return replace(usual, **changes)  # type: ignore[arg-type]


def test_holding_costs_most_and_tuning_brings_the_signals_to_their_targets() -> None:
    found = {row["policy"]: row for row in compare(study(policies=("hold", "tuned")))}
    assert found["hold"]["changes"] == 0
    assert found["hold"]["outside"] == 1.0
    assert found["tuned"]["regret"] < 0.6 * found["hold"]["regret"]
    assert found["tuned"]["outside"] < 0.6
    assert found["tuned"]["changes"] > 3
    assert found["tuned"]["effects"] == found["tuned"]["changes"] + found["tuned"]["rollbacks"]


def test_the_same_seed_gives_the_same_day() -> None:
    first, second = (simulate(study(), "heuristic") for _ in range(2))
    for row in (first, second):
        del row["seconds"]
    assert first == second
    assert simulate(study(seed=2), "heuristic")["regret"] != first["regret"]


def test_a_bandit_ends_at_better_rules() -> None:
    row = simulate(study(), "bandit")
    assert row["experiments"] >= 1
    assert row["rules"]["creative_min"] > 0.3


def test_reports_are_made_only_when_asked_for(tmp_path: Path) -> None:
    simulate(study(reports=tmp_path, every_s=3600), "heuristic")
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["report_2026-01-01.md", "report_2026-01-01.pdf"]
    text = (tmp_path / "heuristic" / "report_2026-01-01.md").read_text("utf-8")
    assert "creative_min" in text


def test_the_best_rules_are_those_with_the_greatest_settled_reward() -> None:
    plant = PlantOptions(base=BASE)
    values, top = best(plant, PLANT.rules)
    assert values == {"creative_min": 0.35, "risk_max": 0.20}
    initial = {name: spec.initial for name, spec in PLANT.rules.items()}
    assert top == pytest.approx(float(reward(settled(plant, values, initial))))
    assert settled(plant, initial, initial).tolist() == list(BASE.values())
