"""`lumen experiment`, `tune`, `bayes`, `impact`, `rhythm`, `simulate`: what they print, and what they refuse."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import US, to_us
from lumen_workers.loop.plant import PlantOptions, simulate

from .conftest import Command


@contextmanager
def opened(home: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{home}/lumen.db")
    yield store
    store.close()


@pytest.fixture
def live(home: Path, lumen: Command) -> Path:
    """A home whose loop main was sampled until now."""
    assert lumen("loop", "list").code == 0
    with opened(home) as store:
        now = to_us(datetime.now(UTC))
        store.samples.add("main", simulate(PlantOptions(seed=2), [], now - 600 * US, now, 5))
    return home


def test_an_experiment_is_started_shown_and_stopped(lumen: Command, live: Path) -> None:
    planned = lumen("experiment", "start", "bracket", "--plan", "--json").json
    assert (planned["experiment_id"], planned["periods"], planned["duration_s"]) == (None, 12, 1440)
    assert planned["power"]["risk_band"]["mde"] > 0
    assert lumen("experiment", "list", "--json").json == []

    began = lumen("experiment", "start", "bracket", "--seed", "5")
    assert "6 pairs of 2 × 120 s take 24 min; a change of risk_band of 0.0" in began.out
    assert "no worker is running" in began.err
    (row,) = lumen("experiment", "list", "--json").json
    assert (row["kind"], row["state"], row["seed"], row["by"].count("/")) == ("bracket", "running", 5, 2)
    name = row["experiment_id"]

    again = lumen("experiment", "start", "bandit")
    assert again.code == 2
    assert f"{name} is running" in again.err
    shown = lumen("experiment", "show", name, "--json").json
    assert shown["config"]["pace"]["period_s"] == 120
    assert shown["result"]["signals"]["risk_band"]["verdict"] == "insufficient"
    assert "0 of 12 periods" in lumen("experiment", "show", name).out
    assert "is asked to end; risk_max goes back to 0.35" in lumen("experiment", "stop", name).out
    second = lumen("experiment", "stop", name)
    assert (second.code, "asked to end already" in second.err) == (1, True)
    assert lumen("experiment", "show", "xp-9").code == 2
    with opened(live) as store:
        assert [entry.event for entry in store.audit.rows(subject=name)] == [
            "experiment started",
            "experiment stop asked",
        ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{rule: risk_max, A: 0.3, B: 0.3}", "both 0.3"),
        ("{rule: risk_max, A: 0.3, B: 0.34, rounds: 4}", "at least 6"),
        ("{rule: risk_max, A: 0.3, B: 0.34, period_s: 20, washout_s: 20}", "washout_s 20: is at least 0 and below"),
        ("{rule: risk_max, A: 0.3, B: 0.9}", "risk_max of loop main is within 0.2 to 0.4"),
        ("{rule: speed, A: 0.3, B: 0.9}", "unknown rule 'speed'; loop main has"),
        ("{rule: risk_max, A: 0.3, B: 0.34, append_to_rules_history: false}", "append_to_rules_history"),
        ("{rule: risk_max, A: 0.3}", "B: is required"),
        ("{rule: risk_max, A: 0.3, B: 0.34, guard: {warn: {speed: 0.1}}}", "unknown signal 'speed'"),
    ],
)
def test_a_bracket_that_cannot_be_is_refused_in_one_line(
    lumen: Command, live: Path, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "b.yaml").write_text(text)
    answer = lumen("experiment", "start", "bracket", "--config", tmp_path / "b.yaml")
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert lumen("experiment", "list", "--json").json == []


def test_a_loop_without_samples_gets_no_experiment(lumen: Command, home: Path) -> None:
    answer = lumen("experiment", "start", "bandit")
    assert answer.code == 2
    assert "has no samples" in answer.err


def test_the_tuner_suggests_explains_and_changes_nothing(lumen: Command, live: Path) -> None:
    found = lumen("tune", "suggest", "--json").json
    assert (found["kind"], found["chosen"], found["applied"]) == ("suggest", "creative_min", None)
    assert found["inputs"]["levels"]["phase_diff"] == pytest.approx(0.3, abs=0.02)
    told = lumen("tune", "explain", found["decision_id"])
    assert told.out.startswith("It would have changed creative_min from 0.22 to 0.24: phase_diff is 0.")
    assert lumen("tune", "explain", found["decision_id"], "--json").json["sentence"] in told.out
    assert "not applied" in lumen("tune", "cycle").out
    refused = lumen("tune", "cycle", "--apply")
    assert refused.code == 1
    assert "lumen gateway" in refused.err
    assert [row["kind"] for row in lumen("tune", "list", "--json").json] == ["suggest", "cycle"]
    assert lumen("rules", "list", "--json").json == []
    assert lumen("tune", "explain", "td-9").code == 2
    assert lumen("tune", "suggest", "--loop", "speed").code == 2


def test_history_tells_what_is_believed_and_how_policies_agree(lumen: Command, full: Path) -> None:
    rules = lumen("bayes", "--json").json["rules"]
    assert set(rules) <= {"creative_min", "risk_max"}
    assert rules
    for own in rules.values():
        assert set(own["signals"]["risk_band"]) == {"prior", "posterior", "obs_mean", "n", "p_improve", "pooled"}
    assert "weighted p_improve" in lumen("bayes").out
    policies = {row["policy"]: row for row in lumen("tune", "backtest", "--json").json["policies"]}
    assert set(policies) == {"hold", "heuristic", "tuned"}
    assert policies["hold"]["agreed"]["n"] == 0
    assert all(
        row["agreed"]["n"] + row["opposed"]["n"] + row["passed"]["n"] == row["changes"] for row in policies.values()
    )
    assert "would have made" in lumen("tune", "backtest").out


def series(path: Path, *, rows: int = 120, event: int = 90, effect: float = 5.0) -> Path:
    rng = np.random.default_rng(4)
    x = rng.normal(10, 2, rows)
    y = 3 + 2 * x + rng.normal(0, 0.5, rows) + effect * (np.arange(rows) >= event)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["date", "y", "x1", "x2"])
        first = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(rows):
            out.writerow([(first + timedelta(days=n)).date(), f"{y[n]:.4f}", f"{x[n]:.4f}", f"{rng.normal():.4f}"])
    return path


def test_impact_on_any_file(lumen: Command, tmp_path: Path) -> None:
    file = series(tmp_path / "shop.csv")
    words = ("impact", "--data", file, "--target", "y", "--controls", "x1,x2", "--event", "2026-04-01")
    found = lumen(*words, "--good", "up", "--picture", tmp_path / "p.svg", "--json").json
    assert found["lo"] < 5 < found["hi"]
    assert found["verdict"] == "improved"
    assert found["cumulative"]["effect"] == pytest.approx(found["effect"] * found["n_post"])
    assert (tmp_path / "p.svg").read_text().count("<") > 50
    told = lumen(*words)
    assert "mean effect" in told.out
    assert "controls: x1" in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "y", "--event", "2030-01-01"), "outside the data"),
        (("--target", "z", "--event", "2026-04-01"), "no column of numbers 'z'"),
        (("--target", "y", "--controls", "x9", "--event", "2026-04-01"), "no column of numbers 'x9'"),
        (("--event", "2026-04-01"), "--target"),
        (("--target", "y", "--event", "soon"), "soon"),
        (("--target", "y", "--event", "2026-01-05"), "insufficient: 4 complete rows before"),
    ],
)
def test_impact_refuses_in_one_line(lumen: Command, tmp_path: Path, words: Sequence[str], said: str) -> None:
    answer = lumen("impact", "--data", series(tmp_path / "s.csv"), *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_impact_names_the_line_of_a_bad_cell(lumen: Command, tmp_path: Path) -> None:
    file = series(tmp_path / "s.csv")
    lines = file.read_text().splitlines()
    lines[7] = lines[7].rsplit(",", 1)[0] + ",often"
    file.write_text("\n".join(lines))
    answer = lumen("impact", "--data", file, "--target", "y", "--controls", "x1,x2", "--event", "2026-04-01")
    assert answer.code == 2
    assert "8" in answer.err
    assert "often" in answer.err
    (tmp_path / "empty.csv").write_text("")
    assert lumen("impact", "--data", tmp_path / "empty.csv", "--target", "y", "--event", "2026-04-01").code == 2


def test_impact_on_a_loop_is_kept_once(lumen: Command, live: Path) -> None:
    at = (datetime.now(UTC) - timedelta(seconds=200)).isoformat()
    first = lumen("impact", "--event", at, "--json")
    assert first.code == 0, first.err
    assert first.json["loop"] == "main"
    lumen("impact", "--event", at, "--json")
    with opened(live) as store:
        (entry,) = store.journal.rows("impact")
        assert entry.data["verdict"] == first.json["verdict"]


def test_rhythm_without_a_source_says_so(lumen: Command) -> None:
    assert lumen("rhythm", "show", "--json").json == {"source": False, "phase_target": 0.05}
    assert "no source" in lumen("rhythm", "show").out
    assert lumen("rhythm", "list", "--json").json == []


def test_a_simulated_day_compares_policies(lumen: Command) -> None:
    found = lumen("simulate", "--days", 1, "--policy", "hold", "--policy", "heuristic", "--json").json
    assert [row["policy"] for row in found["policies"]] == ["hold", "heuristic"]
    assert found["policies"][0]["samples"] == 432_000
    assert found["policies"][1]["regret"] < found["policies"][0]["regret"]
    wrong = lumen("simulate", "--days", 1, "--policy", "hope")
    assert (wrong.code, "unknown policy 'hope'" in wrong.err) == (2, True)
    assert lumen("simulate", "--days", 1, "--loop", "nowhere").code == 2
