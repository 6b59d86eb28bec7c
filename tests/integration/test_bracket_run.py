"""A bracket on real workers: started from the shell, its workers killed on the way, the answer there at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes import eventually

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.experiments import ExperimentState

ROOT = Path(__file__).resolve().parents[2]
LUMEN = (sys.executable, "-c", "from lumen_workers.cli.main import main; main()")
LOOPS = """
loops:
  main:
    source: plant
    rate_hz: 5
    options: {tau_s: 0.2, sd: 0.003}
    actuator: file
    rules:
      risk_max: {initial: 0.35, min: 0.20, max: 0.40}
"""
BRACKET = """
{rule: risk_max, A: 0.38, B: 0.22, period_s: 4.9, washout_s: 0.9, rounds: 3, order: abab, guard: {warn: {}}}
"""


@pytest.mark.redis
def test_a_bracket_outlives_its_workers(tmp_path: Path) -> None:
    (tmp_path / "loops.yaml").write_text(LOOPS)
    (tmp_path / "bracket.yaml").write_text(BRACKET)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    home = tmp_path / "home"
    env = {**clean, "LUMEN_HOME": str(home), "LUMEN_CONFIGS": str(tmp_path)}

    def lumen(*words: str, code: int = 0) -> Any:
        ran = subprocess.run([*LUMEN, *words, "--json"], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert ran.returncode == code, ran.stderr
        return json.loads(ran.stdout) if ran.stdout else ran.stderr

    system = subprocess.Popen([*LUMEN, "run", "--quiet"], env=env, cwd=ROOT)
    home.mkdir(exist_ok=True)
    store = open_store(f"sqlite:///{home}/lumen.db")
    try:
        eventually(lambda: "main" in store.loops.rates() and store.samples.span("main") is not None, 60)
        began = lumen("experiment", "start", "bracket", "--config", str(tmp_path / "bracket.yaml"))
        name = began["experiment_id"]
        again = lumen("experiment", "start", "bracket", "--config", str(tmp_path / "bracket.yaml"), code=2)
        assert f"{name} is running" in again

        eventually(lambda: sum(p.ended is not None for p in store.experiments.periods(name)) >= 2, 90)
        for process in lumen("status")["processes"]:
            if process["name"].endswith("/jobs"):
                os.kill(process["pid"], signal.SIGKILL)

        eventually(lambda: store.experiments.get(name).ended is not None, 150)
        shown = lumen("experiment", "show", name)
        assert (shown["state"], shown["reason"]) == (ExperimentState.DONE.value, "as planned")
        assert [period["arm"] for period in shown["periods"]] == ["A", "B"] * 3
        risk = shown["result"]["signals"]["risk_band"]
        assert (risk["pairs"], risk["verdict"]) == (3, "improved")
        # The noise is that of the hour: the truth is not within a 95 % interval in one run of twenty, nor further off.
        assert risk["effect"] == pytest.approx(0.6 * -0.16, abs=0.02)
        assert risk["hi"] < 0
        assert risk["randomisation"] is None
        switched = [event for event in store.rules.events("main") if event.automatic]
        assert [event.new for event in switched] == [0.38, 0.22] * 3, "each switch happened once"
        eventually(lambda: json.loads((home / "loops/main/rules.json").read_text())["rules"] == {"risk_max": 0.35}, 30)
        assert lumen("quotes", "list") == [], "a switch is no finding"
    finally:
        store.close()
        system.terminate()
        assert system.wait(60) == 0
