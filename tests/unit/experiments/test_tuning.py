"""The tuner: its decision as a table, and its cycle in virtual time on the plant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.plants import PLANT, bracket, plant, started

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.journal import DECISION
from lumen_workers.domain.regions import PAUSE
from lumen_workers.experiments.bayes import Priors
from lumen_workers.experiments.belief import believe, fold
from lumen_workers.experiments.tuning.cycle import Tuner
from lumen_workers.experiments.tuning.decide import Evidence, Inputs, LastEffect, decide, unmet
from lumen_workers.experiments.tuning.explain import explain
from lumen_workers.experiments.tuning.options import Bound, Knob, TuningOptions
from lumen_workers.local.simulation import Simulation
from lumen_workers.loop.plant import PlantOptions

OPTIONS = TuningOptions()
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
GOOD_LEVELS = {"phase_diff": 0.04, "entropy_rate": 0.2, "creative_band": 0.3, "risk_band": 0.2}
PRIORS = Priors(effects={}, steps={"creative_min": 0.02, "risk_max": -0.02})


def inputs(**changes: object) -> Inputs:
    levels = {**GOOD_LEVELS, **dict(changes.pop("levels", {}))}  # type: ignore[call-overload]
    given = {
        "ts": NOW,
        "loop": "main",
        "levels": levels,
        "n": 450,
        "values": {"creative_min": 0.22, "risk_max": 0.35},
        "needs": unmet(levels, float(changes.get("phase_shift", 0.0)), OPTIONS),  # type: ignore[arg-type]
        **changes,
    }
    return Inputs(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("levels", "rule", "new"),
    [
        ({"risk_band": 0.31}, "risk_max", 0.33),
        ({"phase_diff": 0.06}, "creative_min", 0.24),
        ({"creative_band": 0.23}, "creative_min", 0.23),
        ({"risk_band": 0.31, "phase_diff": 0.06}, "risk_max", 0.33),
        ({"phase_diff": 0.06, "creative_band": 0.23}, "creative_min", 0.24),
    ],
)
def test_the_order_is_risk_then_phase_then_creative(levels: dict[str, float], rule: str, new: float) -> None:
    chosen = decide(inputs(levels=levels), OPTIONS).chosen
    assert chosen is not None
    assert chosen.rule == rule
    assert chosen.new == pytest.approx(new)


def test_evidence_ranks_what_several_needs_propose() -> None:
    evidence = {"creative_min": Evidence(p_improve=0.9, n=9), "risk_max": Evidence(p_improve=0.5, n=9)}
    decision = decide(inputs(levels={"risk_band": 0.31, "phase_diff": 0.06}, evidence=evidence), OPTIONS)
    assert [p.rule for p in decision.proposals] == ["creative_min", "risk_max"]
    scored = {"risk_max": Evidence(p_improve=0.5, n=9, decision_score=0.5)}
    decision = decide(inputs(levels={"risk_band": 0.31, "phase_diff": 0.06}, evidence=evidence | scored), OPTIONS)
    assert [p.rule for p in decision.proposals] == ["risk_max", "creative_min"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "every signal is at its target"),
        ({"n": 299}, "299 samples in the last 90 s; 300 needed"),
        ({"busy": ["cooldown: risk_max changed 5 s ago"]}, "cooldown: risk_max changed 5 s ago"),
        ({"values": {"creative_min": 0.22, "risk_max": 0.20}}, "risk_band not good, but every rule"),
        ({"evidence": {"risk_max": Evidence(p_improve=0.3, n=12)}}, "the evidence speaks against every step"),
    ],
)
def test_no_change_says_why(changes: dict[str, object], why: str) -> None:
    levels = {} if not changes else {"risk_band": 0.31}
    decision = decide(inputs(levels=levels, **changes), OPTIONS)
    assert decision.chosen is None
    assert why in decision.why


def test_a_warning_holds_it_back_for_a_while() -> None:
    last = LastEffect(event_id="ev", at=NOW - timedelta(minutes=5), delta={"entropy_rate": 0.03}, verdict={})
    held = decide(inputs(levels={"risk_band": 0.31}, last={"risk_max": last}), OPTIONS)
    assert "moved entropy_rate by +0.030 (warning at least 0.03)" in held.why
    old = replace(last, at=NOW - timedelta(minutes=21))
    assert decide(inputs(levels={"risk_band": 0.31}, last={"risk_max": old}), OPTIONS).chosen is not None


def test_steps_are_clamped_to_the_bounds() -> None:
    chosen = decide(inputs(levels={"risk_band": 0.31}, values={"risk_max": 0.21}), OPTIONS).chosen
    assert chosen is not None
    assert chosen.new == 0.2


def test_the_rhythm_shifts_the_phase_target() -> None:
    levels = {"phase_diff": 0.06}
    assert decide(inputs(levels=levels), OPTIONS).chosen is not None
    assert decide(inputs(levels=levels, phase_shift=0.02), OPTIONS).chosen is None
    chosen = decide(inputs(levels={"phase_diff": 0.045}, phase_shift=-0.01), OPTIONS).chosen
    assert chosen is not None
    assert "at most 0.04" in chosen.why


def test_options_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(UsageError, match="min < max"):
        Knob(min=0.3, max=0.3, lr=0.1)
    with pytest.raises(UsageError, match="unknown signal 'speed'"):
        TuningOptions(targets={"speed": Bound(max=1)})
    with pytest.raises(UsageError, match="weights"):
        TuningOptions(weights={"risk_band": 0.0})


@pytest.fixture
def sim() -> Iterator[Simulation]:
    """A loop whose risk band is beyond its target; a step of risk_max moves it clearly."""
    base = {"phase_diff": 0.02, "entropy_rate": 0.2, "creative_band": 0.3, "risk_band": 0.34}
    gains = {"risk_max": {"risk_band": 1.5}, "creative_min": {"phase_diff": -0.5}}
    made = plant(options=PlantOptions(base=base, gains=gains, sd=0.01, seed=4))
    yield made
    made.close()


def tuner(sim: Simulation, *, lock: str | None = None, **changes: object) -> Tuner:
    fold(sim.store, "main", PRIORS)
    return Tuner(
        store=sim.store,
        rules=sim.rules,
        loop=PLANT,
        options=replace(OPTIONS, **{"dry_run": False, **changes}),  # type: ignore[arg-type]
        belief=believe(sim.store, "main", PRIORS),
        lock=lambda: lock,
    )


def cycle(sim: Simulation, slot: int, seconds: float = 0, **changes: object) -> str:
    sim.go_to(sim.clock.now() + timedelta(seconds=seconds))
    sim.measure()
    return tuner(sim, **changes).cycle(slot)  # type: ignore[arg-type]


def test_a_change_is_made_watched_and_confirmed(sim: Simulation) -> None:
    assert "risk_max 0.35 → 0.33" in cycle(sim, 1)
    assert cycle(sim, 2, 45).startswith("watching risk_max 0.35 → 0.33")
    said = cycle(sim, 3, 60)
    assert said.startswith("confirmed risk_max = 0.33: risk_band improved")
    assert sim.rules.get("main")["risk_max"].value == 0.33
    first, outcome = sim.store.journal.rows(DECISION)
    assert outcome.entry_id == f"{first.entry_id}-end"
    assert explain(first.data, outcome.data).startswith(
        "It changed risk_max from 0.35 to 0.33 because risk_band is 0.3"
    )
    assert "it was confirmed: risk_band improved" in explain(first.data, outcome.data)
    assert first.data["inputs"]["levels"]["risk_band"] == pytest.approx(0.34, abs=0.01)


def test_a_change_that_helps_nothing_is_taken_back(sim: Simulation) -> None:
    sim.plant = replace(sim.plant, gains={"risk_max": {"risk_band": -1.5}})
    cycle(sim, 1)
    assert sim.rules.get("main")["risk_max"].value == 0.33
    assert cycle(sim, 2, 95).startswith("rolled back risk_max = 0.33: risk_band got worse")
    assert sim.rules.get("main")["risk_max"].value == 0.35
    (_, back) = sim.store.rules.events("main")
    assert back.undoes is not None


def test_dry_run_the_gateway_and_a_pause_keep_it_from_acting(sim: Simulation) -> None:
    assert cycle(sim, 1, dry_run=True).startswith("not applied, dry run: risk_band")
    assert cycle(sim, 2, 5, lock="the gateway is resonating").startswith("not applied, the gateway is resonating")
    sim.store.switches.turn_on(PAUSE, "r/h/me")
    assert cycle(sim, 3, 5).startswith("not applied, automatic changes are paused")
    assert sim.store.rules.events("main") == []
    assert [entry.data["applied"] for entry in sim.store.journal.rows(DECISION)] == [None] * 3
    assert explain(sim.store.journal.rows(DECISION)[0].data, None).startswith("It would have changed risk_max")


def test_a_rule_that_somebody_sets_meanwhile_stays_as_they_set_it(sim: Simulation) -> None:
    cycle(sim, 1)
    sim.rules.set("main", "risk_max", 0.25, actor="Sena")
    assert cycle(sim, 2, 95).startswith("overtaken risk_max = 0.33: risk_max was changed to 0.25")
    assert sim.rules.get("main")["risk_max"].value == 0.25
    first, outcome = sim.store.journal.rows(DECISION)
    assert "it was overtaken" in explain(first.data, outcome.data)


def test_a_change_outside_the_loops_own_bounds_is_recorded_as_not_applied(sim: Simulation) -> None:
    narrow = replace(PLANT, rules={**PLANT.rules, "risk_max": replace(PLANT.rules["risk_max"], min=0.34)})
    assert "not within 0.34" in replace(tuner(sim), loop=narrow).cycle(1)
    (entry,) = sim.store.journal.rows(DECISION)
    assert entry.data["applied"] is None
    assert "not within 0.34" in entry.data["why"]


def test_two_workers_in_one_slot_decide_once(sim: Simulation) -> None:
    cycle(sim, 7)
    assert cycle(sim, 7, 1).startswith("watching")
    assert len(sim.store.rules.events("main")) == 1
    sim.store.switches.turn_on(PAUSE, "r/h/me")
    assert len(sim.store.journal.rows(DECISION)) == 1


def test_an_experiment_and_a_cooldown_come_first(sim: Simulation) -> None:
    sim.rules.set("main", "creative_min", 0.23, actor="me")
    assert cycle(sim, 1, 30).startswith("cooldown: creative_min changed 30 s ago")
    sim.go_to(sim.clock.now() + timedelta(seconds=120))
    xp = started(sim, bracket())
    assert cycle(sim, 2) == f"experiment {xp.experiment_id} is running"


def test_a_silent_loop_is_left_alone(sim: Simulation) -> None:
    sim.clock.advance(60)
    assert tuner(sim).cycle(1).startswith("0 samples in the last 90 s")
