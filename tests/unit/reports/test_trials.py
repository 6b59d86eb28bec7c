"""Experiments that ended in the period, in the report's notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.plants import START, bracket, plant, run, started

from lumen_workers.domain.journal import BANDIT, BRACKET, JournalEntry
from lumen_workers.domain.runs import Seal
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.reports import collect, render_markdown
from lumen_workers.reports.trials import trials


def line(data: Mapping[str, Any], kind: str = BRACKET) -> JournalEntry:
    return JournalEntry(entry_id="jr", loop="main", seq=1, kind=kind, ts=START, data=data)


ENDED = {"line": "ended", "experiment": "xp-1", "rule": "risk_max", "state": "done", "reason": "as planned"}


@pytest.mark.parametrize(
    "data",
    [
        {"line": "period", "experiment": "xp-1"},
        {**ENDED, "result": {"primary": "risk_band"}},
        {**ENDED, "result": {"primary": "risk_band", "a": "x", "b": 1, "signals": {"risk_band": {"lo": 1}}}},
        {**ENDED},
        {"experiment": "xp-1"},
    ],
)
def test_a_line_of_another_form_tells_of_nothing(data: dict[str, Any]) -> None:
    assert trials([line(data)]) == ()


def test_a_bandit_tells_its_best_value() -> None:
    (found,) = trials([line({**ENDED, "result": {"best": 0.3, "p_best": 0.9975}}, BANDIT)])
    assert (found.best, found.p_best, found.done) == (0.3, 0.9975, True)
    (none,) = trials([line({**ENDED, "result": {"best": None}}, BANDIT)])
    assert none.best is None


@pytest.mark.parametrize(
    ("locale", "said"),
    [("en", "risk_max 0.3 against 0.34: Risk band -0.0"), ("ko", "risk_max 0.3 대 0.34, 위험 밴드 -0.0")],
)
def test_the_days_report_has_the_answer_and_only_below_its_watermark(locale: str, said: str) -> None:
    sim = plant()
    xp = started(sim)
    run(sim, xp, 700)
    now = sim.clock.now()

    def report(upto: int) -> str:
        seal = Seal(
            pipeline="daily",
            day=START.date(),
            revision=1,
            start=START,
            end=now,
            cutoff=now,
            watermark={"main": upto},
            settings={"zone": "UTC", "locale": locale, "effect_options": sim.effects.key(), "rates": {"main": 5}},
            code_version="c" * 64,
            config_digest="d" * 64,
            prev_digest=None,
            sealed_at=now,
        )
        made = collect(sim.store, seal)
        assert all(trial.verdict is Verdict.IMPROVED for loop in made.loops for trial in loop.trials)
        return render_markdown(made)

    (ended,) = [e for e in sim.store.journal.rows(BRACKET) if e.data["line"] == "ended"]
    assert said in report(ended.seq)
    assert xp.experiment_id in report(ended.seq)
    assert "`loops/main/logs/ab_bracket_runs.jsonl` | 14 |" in report(ended.seq)
    assert said not in report(ended.seq - 1)
    sim.close()


def test_one_that_was_cut_off_says_so() -> None:
    sim = plant()
    xp = started(sim, bracket())
    run(sim, xp, 60)
    sim.store.experiments.ask_stop(xp.experiment_id, "me")
    run(sim, xp, 5)
    (found,) = trials(sim.store.journal.rows(BRACKET))
    assert (found.done, found.verdict) == (False, None)
    sim.close()
