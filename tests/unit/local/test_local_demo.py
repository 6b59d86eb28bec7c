"""What the demo takes for granted, and what it does not let pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.judged import judged

from lumen_workers.domain.records import SignalEffect
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.local.demo import compared, problems

Report = dict[str, Any]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(b"%PDF")
    stages = [{"name": name, "status": "done", "seconds": 0.1} for name in ("build", "verify")]
    return {
        "samples": {"main": 400, "demo": 400},
        "missing": {"main": 0, "demo": 1},
        "jitter_p99_ms": {"main": 1.0, "demo": 1.0},
        "effect": {name: compared(judged(name, 0.1, 0.03), 0.12) | {"n_pre": 145, "n_post": 145} for name in SIGNALS},
        "runs": [
            {"run_id": "one", "region": "a", "status": "done", "digest": "d", "stages": stages},
            {"run_id": "two", "region": "b", "status": "superseded", "digest": "d", "stages": stages},
        ],
        "winner": "one",
        "digests_equal": True,
        "cross_verified_by": "b",
        "report_pdf": str(pdf),
        "evidence": {"file": "x.lumen.json", "ok": True, "verdict": "NO_TIME", "reason": ""},
        "key_fingerprints": {"a": "0" * 64, "b": "1" * 64},
    }


def test_a_good_report_has_no_problem(report: Report) -> None:
    assert problems(report) == []


def test_an_interval_that_misses_the_truth_is_chance_but_three_are_a_fault(report: Report) -> None:
    for count, name in enumerate(SIGNALS[:3], 1):
        missing = compared(judged(name, 0.1, 0.005), 0.12)
        assert missing["inside"] is False
        report["effect"][name] |= missing
        assert problems(report) == ([] if count < 3 else ["3 of 4 intervals miss the truth"])


def test_what_is_measured_stands_beside_the_truth() -> None:
    assert compared(judged("risk_band", -0.1, 0.03), -0.12) == {
        "delta": -0.1,
        "lo": -0.13,
        "hi": -0.07,
        "truth": -0.12,
        "inside": True,
        "verdict": "improved",
    }
    assert compared(SignalEffect(), 0.12)["inside"] is False


def set_to(*path: Any, value: Any) -> Callable[[Report], None]:
    def change(report: Report) -> None:
        place: Any = report
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_to("samples", "main", value=0), "main: no samples"),
        (set_to("missing", "demo", value=5), "demo: 5 ticks of 405 are missing"),
        (set_to("jitter_p99_ms", "main", value=None), "main: nobody noted how late"),
        (set_to("effect", "risk_band", "delta", value=None), "effect on risk_band: measured None"),
        (set_to("effect", "phase_diff", "delta", value=0.2), "effect on phase_diff: measured 0.2"),
        (set_to("effect", "phase_diff", "lo", value=None), "effect on phase_diff: it has no interval"),
        (set_to("effect", "creative_band", "truth", value=0.07), "the step is too small"),
        (set_to("runs", 1, "status", value="failed"), "two is failed, not superseded"),
        (set_to("runs", 0, "stages", 1, "status", value="failed"), "one: verify is failed"),
        (set_to("winner", value="three"), "no run has won"),
        (set_to("cross_verified_by", value=None), "no other region"),
        (set_to("cross_verified_by", value="a"), "no other region"),
        (set_to("digests_equal", value=False), "digests differ"),
        (set_to("key_fingerprints", value={"a": "0" * 64}), "no key fingerprint of b"),
        (set_to("evidence", "ok", value=False), "x.lumen.json does not hold"),
        (set_to("report_pdf", value="/nowhere.pdf"), "/nowhere.pdf is not there"),
    ],
)
def test_each_fault_is_named(report: Report, change: Callable[[Report], None], said: str) -> None:
    report = copy.deepcopy(report)
    change(report)
    assert any(said in problem for problem in problems(report)), problems(report)
