"""A bracket from its start to its end, in virtual time on the plant: what goes right, and what may come in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from support.plants import PLANT, bracket, plant, run, started, step, values

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.experiments import ExperimentState
from lumen_workers.domain.journal import BRACKET
from lumen_workers.domain.regions import PAUSE
from lumen_workers.experiments.designs import design_of
from lumen_workers.experiments.launch import plan_bracket
from lumen_workers.experiments.machine import Machine
from lumen_workers.experiments.pace import Guard, Pace
from lumen_workers.local.simulation import Simulation


@pytest.fixture
def sim() -> Iterator[Simulation]:
    made = plant()
    yield made
    made.close()


def test_a_bracket_runs_to_its_end_and_finds_the_truth(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 700)
    done = sim.store.experiments.get(xp.experiment_id)
    assert (done.state, done.reason) == (ExperimentState.DONE, "as planned")
    assert values(sim)["risk_max"] == 0.35
    periods = sim.store.experiments.periods(xp.experiment_id)
    assert len(periods) == 12
    assert all(sorted(p.arm for p in periods if p.pair == pair) == ["A", "B"] for pair in range(1, 7))
    assert all((b.began - a.began).total_seconds() >= 40 for a, b in pairwise(periods) if a.began and b.began)
    assert done.result is not None
    risk = done.result["signals"]["risk_band"]
    # The plant: 0.6 for a change by one, the washout being three time constants.
    assert risk["lo"] < 0.6 * -0.04 < risk["hi"]
    assert risk["verdict"] == "improved"
    assert risk["hi"] < 0
    assert risk["randomisation"]["p"] == 2 / 2**6
    lines = [entry.data["line"] for entry in sim.store.journal.rows(BRACKET)]
    assert lines == ["started", *["period"] * 12, "ended"]


def test_any_worker_goes_on_where_another_was_lost(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 95)
    before = sim.store.experiments.periods(xp.experiment_id)
    sim.go_to(sim.clock.now() + timedelta(seconds=300))  # nobody ticks for five minutes
    run(sim, xp, 900)
    done = sim.store.experiments.get(xp.experiment_id)
    periods = sim.store.experiments.periods(xp.experiment_id)
    assert done.state is ExperimentState.DONE
    assert periods[: len(before) - 1] == before[:-1]
    assert [p.restarts for p in periods] == [0] * 12
    assert len({p.event_id for p in periods if p.event_id}) == sum(p.event_id is not None for p in periods)


def test_two_workers_at_once_switch_once(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 700, each=lambda _: step(sim, xp))
    assert sim.store.experiments.get(xp.experiment_id).state is ExperimentState.DONE
    events = sim.store.rules.events("main")
    assert all(a.new != b.new for a, b in pairwise(events))


def test_a_worker_that_looked_before_another_went_on_ends_nothing(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the periods, then another worker ends the last one and switches: that is nobody's interference."""
    xp = started(sim)
    run(sim, xp, 40)
    read = sim.store.experiments.periods
    old = read(xp.experiment_id)
    run(sim, xp, 10)
    assert len(read(xp.experiment_id)) == len(old) + 1
    assert read(xp.experiment_id)[-1].value != old[-1].value
    monkeypatch.setattr(sim.store.experiments, "periods", lambda _: old)
    step(sim, xp)
    monkeypatch.undo()
    assert sim.store.experiments.get(xp.experiment_id).state is ExperimentState.RUNNING
    run(sim, xp, 700)
    assert sim.store.experiments.get(xp.experiment_id).reason == "as planned"


def test_bounds_that_become_tighter_end_it_at_its_old_value(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 20)
    tight = replace(PLANT, rules={**PLANT.rules, "risk_max": replace(PLANT.rules["risk_max"], min=0.33)})
    for _ in range(40):
        sim.go_to(sim.clock.now() + timedelta(seconds=5))
        now = sim.store.experiments.get(xp.experiment_id)
        if now.ended is not None:
            break
        Machine(store=sim.store, rules=sim.rules, loop=tight, experiment=now, design=design_of(now)).step()
    assert now.state is ExperimentState.ABORTED
    assert "not within 0.33" in (now.reason or "")
    assert values(sim)["risk_max"] == 0.35


def test_a_loop_that_is_sampled_at_another_rate_than_declared_is_measured_by_that(sim: Simulation) -> None:
    xp = started(sim)
    sim.store.loops.register("main", 1, "plant")  # as a command does
    sim.spec = replace(PLANT, rate_hz=1)
    run(sim, xp, 700)
    assert sim.store.experiments.get(xp.experiment_id).state is ExperimentState.DONE
    assert {p.restarts for p in sim.store.experiments.periods(xp.experiment_id)} == {0}


def test_a_person_ends_it_and_the_rule_goes_back(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 60)
    sim.store.experiments.ask_stop(xp.experiment_id, "r/h/me")
    assert step(sim, xp) == "stopped: stopped by r/h/me"
    assert values(sim)["risk_max"] == 0.35
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.STOPPED
    assert done.result is not None
    assert done.result["signals"]["risk_band"]["verdict"] == "insufficient"


def test_a_guardrail_ends_it_at_once(sim: Simulation) -> None:
    # Raising the rule from 0.20 to 0.40 raises risk_band by 0.12, far beyond the warn level.
    sim.rules.set("main", "risk_max", 0.20, actor="me")
    sim.go_to(sim.clock.now() + timedelta(seconds=120))
    xp = started(sim, bracket(a=0.20, b=0.40))
    said = run(sim, xp, 200)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.ABORTED
    assert "risk_band is +0." in (done.reason or "")
    assert values(sim)["risk_max"] == 0.20
    period = next(p for p in sim.store.experiments.periods(xp.experiment_id) if p.arm == "B")
    assert done.ended is not None
    assert period.began is not None
    assert (done.ended - period.began).total_seconds() <= 40
    assert said[-2].startswith("aborted: guardrail")


def test_a_hard_bound_ends_it(sim: Simulation) -> None:
    xp = started(sim, bracket(guard=Guard(hard={"creative_band": (0.0, 0.25)}, warn={})))
    run(sim, xp, 60)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.ABORTED
    assert "outside 0 to 0.25" in (done.reason or "")


def test_what_was_there_before_the_experiment_breaks_no_hard_bound(sim: Simulation) -> None:
    xp = started(sim, bracket(guard=Guard(hard={"creative_band": (0.0, 0.25)}, warn={})))
    # The loop stands beyond the bound already, and not one sample of the experiment is there yet.
    assert not step(sim, xp).startswith("aborted")
    assert sim.store.experiments.get(xp.experiment_id).state is ExperimentState.RUNNING


def test_stale_data_hold_it_and_the_period_begins_anew(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 50)
    count = len(sim.store.experiments.periods(xp.experiment_id))
    for _ in range(12):  # a minute without samples
        sim.clock.advance(5)
        step(sim, xp)
    held = sim.store.experiments.get(xp.experiment_id)
    assert "no samples for" in (held.held or "")
    assert len(sim.store.experiments.periods(xp.experiment_id)) == count
    sim.skip(sim.clock.now())
    run(sim, xp, 900)
    done = sim.store.experiments.get(xp.experiment_id)
    assert (done.state, done.held) == (ExperimentState.DONE, None)
    assert [p.restarts for p in sim.store.experiments.periods(xp.experiment_id)].count(1) == 1
    assert all(p.means is not None for p in sim.store.experiments.periods(xp.experiment_id))


def test_another_change_in_a_period_begins_it_anew(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 30)
    sim.rules.set("main", "creative_min", 0.23, actor="me")
    run(sim, xp, 900)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.DONE
    assert sim.store.experiments.periods(xp.experiment_id)[0].restarts == 1


def test_a_period_that_is_disturbed_too_often_counts_as_missing(sim: Simulation) -> None:
    xp = started(sim, bracket(pace=Pace(period_s=40, washout_s=15, max_restarts=0)))
    run(sim, xp, 30)
    sim.rules.set("main", "creative_min", 0.23, actor="me")
    run(sim, xp, 900)
    done = sim.store.experiments.get(xp.experiment_id)
    assert sim.store.experiments.periods(xp.experiment_id)[0].means is None
    assert done.result is not None
    risk = done.result["signals"]["risk_band"]
    assert (risk["pairs"], risk["missing"]) == (5, 1)


def test_somebody_elses_value_ends_it_and_stays(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 30)
    sim.rules.set("main", "risk_max", 0.25, actor="Sena")
    run(sim, xp, 20)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.ABORTED
    assert "changed by somebody else" in (done.reason or "")
    assert values(sim)["risk_max"] == 0.25


def test_a_pause_holds_it_and_a_stop_still_gives_the_rule_back(sim: Simulation) -> None:
    xp = started(sim)
    run(sim, xp, 20)
    sim.store.switches.turn_on(PAUSE, "r/h/me")
    said = run(sim, xp, 200)
    assert "automatic changes are paused" in said[-1]
    sim.store.experiments.ask_stop(xp.experiment_id, "r/h/me")
    step(sim, xp)
    assert values(sim)["risk_max"] == 0.35


def test_it_ends_early_only_where_any_number_of_looks_is_allowed_for(sim: Simulation) -> None:
    xp = started(sim, bracket(pairs=30, early_stop=True, a=0.36, b=0.26))
    run(sim, xp, 3000)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.state is ExperimentState.DONE
    assert (done.reason or "").startswith("early, after 6 pairs")
    assert done.result is not None
    lo, hi = done.result["signals"]["risk_band"]["running"]
    assert hi < 0
    assert lo < 0.6 * -0.1 < hi


def test_the_better_value_may_stay(sim: Simulation) -> None:
    xp = started(sim, bracket(keep="better"))
    run(sim, xp, 700)
    assert values(sim)["risk_max"] == 0.30


def test_it_goes_on_with_its_recorded_config(sim: Simulation) -> None:
    xp = started(sim)
    found = sim.store.experiments.get(xp.experiment_id)
    assert found.config["pace"]["period_s"] == 40
    assert found.config == xp.config


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"b": 0.7}, r"B 0\.7: risk_max of loop main is within 0\.2 to 0\.4"),
        ({"rule": "speed"}, r"unknown rule 'speed'; loop main has: creative_min, risk_max"),
        ({"pace": Pace(period_s=18, washout_s=15)}, "leaves 15 samples after the washout"),
    ],
)
def test_what_cannot_work_is_refused_before_the_start(sim: Simulation, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plan_bracket(sim.store, PLANT, bracket(**changes), by="me")


def test_options_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(UsageError, match=r"both 0\.3: a bracket needs two values"):
        bracket(a=0.3)
    with pytest.raises(UsageError, match=r"4 pairs are too few.*at least 6"):
        bracket(pairs=4)
    assert bracket(pairs=4, order="abab").duration_s == 320
    with pytest.raises(UsageError, match="washout_s 40: is at least 0 and below period_s"):
        Pace(period_s=40, washout_s=40)
    with pytest.raises(UsageError, match="unknown signal 'speed'"):
        bracket(guard=Guard(warn={"speed": 0.1}))
    with pytest.raises(UsageError, match="primary: unknown signal"):
        bracket(primary="speed")
    with pytest.raises(UsageError, match=r"relevant 0: is above 0"):
        bracket(relevant=0.0)
    with pytest.raises(UsageError, match=r"level 1: is above 0\.5 and below 1"):
        bracket(level=1.0)


def test_two_experiments_on_a_loop_are_refused(sim: Simulation) -> None:
    xp = started(sim)
    with pytest.raises(UsageError, match=f"experiment already: {xp.experiment_id}"):
        started(sim, bracket(rule="creative_min", a=0.2, b=0.3))


def test_a_loop_without_samples_is_refused(sim: Simulation) -> None:
    sim.clock.advance(120)
    with pytest.raises(UsageError, match="no samples for 120 s"):
        started(sim)


def test_the_plan_says_what_it_can_tell(sim: Simulation) -> None:
    launch = plan_bracket(sim.store, PLANT, bracket(), by="me")
    assert launch.duration_s == 480
    risk = launch.powers["risk_band"]
    assert 0.005 < risk.mde < 0.06
    assert risk.needed is not None
    assert risk.needed > 2


def test_a_bracket_whose_washout_is_too_short_says_so(sim: Simulation) -> None:
    xp = started(sim, bracket(pairs=12, a=0.38, b=0.22, pace=Pace(period_s=40, washout_s=2), guard=Guard(warn={})))
    run(sim, xp, 1200)
    done = sim.store.experiments.get(xp.experiment_id)
    assert done.result is not None
    assert 3.0 < done.result["tau_s"]["risk_band"] < 7.0
    assert any("washout 2 s is shorter than three time constants" in said for said in done.result["warnings"])
    assert to_us(sim.clock.now()) > 0
