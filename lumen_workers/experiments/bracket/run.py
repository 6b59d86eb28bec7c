"""A bracket as the machine runs it: which period comes next, when it may end, what it has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lumen_workers.domain.clock import iso
from lumen_workers.domain.experiments import Experiment, Period
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.bracket.analysis import TIMES_TAU, all_signals, pairs_of
from lumen_workers.experiments.bracket.design import schedule
from lumen_workers.experiments.bracket.options import BracketOptions
from lumen_workers.experiments.bracket.sequential import confidence_sequence
from lumen_workers.experiments.pace import Guard, Pace, Plan


@dataclass(frozen=True)
class BracketDesign:
    """``Design`` of a bracket."""

    options: BracketOptions
    seed: int

    @property
    def pace(self) -> Pace:
        return self.options.pace

    @property
    def guard(self) -> Guard:
        return self.options.guard

    @cached_property
    def order(self) -> tuple[tuple[int, str], ...]:
        """(pair, arm) of each period."""
        return schedule(self.options.pairs, self.seed, self.options.order)

    def next(self, periods: Sequence[Period]) -> Plan | None:
        if len(periods) >= len(self.order):
            return None
        pair, arm = self.order[len(periods)]
        return Plan(arm=arm, value=self.options.a if arm == "A" else self.options.b, pair=pair)

    def enough(self, periods: Sequence[Period]) -> str | None:
        """At the end of a pair: whether the always-valid sequence of the primary signal has left zero."""
        options = self.options
        if not options.early_stop or len(periods) % 2 or len(periods) >= len(self.order):
            return None
        pairs, _ = pairs_of(periods, options.primary)
        if len(pairs) < max(options.burn_in, 2):
            return None
        running = confidence_sequence([pair.difference for pair in pairs], options.level)
        if not running.excludes_zero:
            return None
        return (
            f"early, after {len(pairs)} pairs: {options.primary} differs at {options.level:.0%} by any number of looks"
        )

    def reward(self, means: Mapping[str, float]) -> float | None:  # noqa: ARG002
        return None

    def line(self, periods: Sequence[Period], period: Period) -> Mapping[str, Any]:  # noqa: ARG002
        """S12's log of a period."""
        return {
            "round": period.pair,
            "rule": self.options.rule,
            "arm": period.arm,
            "value": period.value,
            "began": None if period.began is None else iso(period.began),
            "n": period.n,
            "means": None if period.means is None else dict(period.means),
            "restarts": period.restarts,
        }

    def result(self, periods: Sequence[Period], tau_s: Mapping[str, float | None]) -> Mapping[str, Any]:
        options = self.options
        # The sequence has had its looks, or somebody or a guardrail has ended it by what was seen.
        looked = options.early_stop or len(periods) < len(self.order)
        answers = all_signals(
            periods,
            seed=self.seed,
            randomised=options.order == "randomised",
            level=options.level,
            relevant=options.relevant,
            looked=looked,
        )
        known = {name: tau for name, tau in tau_s.items() if tau is not None}
        warnings = []
        if known and options.pace.washout_s < TIMES_TAU * max(known.values()):
            slowest = max(known, key=lambda name: known[name])
            warnings.append(
                f"washout {options.pace.washout_s:g} s is shorter than three time constants of {slowest} "
                f"({known[slowest]:.1f} s): a part of each value is measured under the other one"
            )
        for name, answer in answers.items():
            carried = answer.carry_over
            # One false note in twenty experiments, not one in twenty signals (Bonferroni).
            if carried is not None and carried.p * len(answers) <= 1 - options.level:
                warnings.append(f"{name} carries {carried.estimate:+.3f} over into the next period")
        if options.order == "abab":
            warnings.append("the order was fixed (A B A B): a drift with the same rhythm would look like an effect")
        return {
            "a": options.a,
            "b": options.b,
            "primary": options.primary,
            "signals": {name: answer.plain() for name, answer in answers.items()},
            "tau_s": {name: tau_s.get(name) for name in SIGNALS},
            "warnings": warnings,
        }

    def final(self, experiment: Experiment, result: Mapping[str, Any]) -> float:
        """The original value; with ``keep: better`` the better one where the primary signal's answer is clear."""
        if self.options.keep == "original":
            return experiment.original
        said = result["signals"][self.options.primary]["verdict"]
        if said == Verdict.IMPROVED:
            return self.options.b
        return self.options.a if said == Verdict.WORSENED else experiment.original
