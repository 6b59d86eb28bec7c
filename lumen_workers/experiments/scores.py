"""S13's decision score: what the last bandit and the impact analyses say for a step of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState
from lumen_workers.domain.journal import IMPACT
from lumen_workers.domain.ports import Store
from lumen_workers.effects.verdicts import Verdict

TRUST: Final[Mapping[str, float]] = {Verdict.IMPROVED: 0.9, Verdict.WORSENED: -0.9}
"""Verdict of the rule's newest impact report → confidence, by its direction."""
UNCLEAR: Final = 0.6
RECENT: Final = 20


def decision_scores(store: Store, loop: str, steps: Mapping[str, float]) -> dict[str, float]:
    """Rule → (expected reward after the step − expected reward now) × confidence.

    The rewards are those of the rule's newest finished bandit, interpolated between its arms; the confidence comes from
    the newest impact report about a change of the rule: 0.9 when it improved the loop, 0.6 when that is not clear, −0.9
    when it made it worse, and 0 without a report. A rule without either has no entry.
    """
    bandits = _newest_bandits(store, loop)
    reports = _newest_reports(store, loop)
    out: dict[str, float] = {}
    for rule, step in steps.items():
        bandit, verdict = bandits.get(rule), reports.get(rule)
        if bandit is None or bandit.result is None:
            continue
        gain = _gain(bandit, step, store, loop)
        confidence = 0.0 if verdict is None else TRUST.get(verdict, UNCLEAR)
        if gain is not None:
            out[rule] = round(gain * confidence, 6)
    return out


def _newest_bandits(store: Store, loop: str) -> dict[str, Experiment]:
    found: dict[str, Experiment] = {}
    for experiment in store.experiments.rows(loop, limit=RECENT):
        if experiment.kind is ExperimentKind.BANDIT and experiment.state is ExperimentState.DONE:
            found.setdefault(experiment.rule, experiment)
    return found


def _newest_reports(store: Store, loop: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in store.journal.rows(IMPACT, loop, limit=RECENT):
        rule = entry.data.get("rule")
        if isinstance(rule, str):
            found[rule] = str(entry.data.get("verdict"))
    return found


def _gain(bandit: Experiment, step: float, store: Store, loop: str) -> float | None:
    """How much better the reward is expected to be a step further on; None outside the arms."""
    import numpy as np

    assert bandit.result is not None
    arms = sorted((arm["arm"], arm["mu"]) for arm in bandit.result["arms"] if arm["mu"] is not None)
    present = store.rules.current(loop).get(bandit.rule)
    now = bandit.original if present is None else present.value
    if len(arms) < 2 or not (arms[0][0] <= now <= arms[-1][0] and arms[0][0] <= now + step <= arms[-1][0]):
        return None
    values, rewards = [value for value, _ in arms], [reward for _, reward in arms]
    return float(np.interp(now + step, values, rewards) - np.interp(now, values, rewards))
