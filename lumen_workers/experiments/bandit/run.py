"""A bandit as the machine runs it: rounds are periods, arms are values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from lumen_workers.domain.experiments import Experiment, Period
from lumen_workers.domain.signals import Reading
from lumen_workers.experiments.bandit.offpolicy import value_of_arm
from lumen_workers.experiments.bandit.options import BanditOptions, Finished, Played, Weights
from lumen_workers.experiments.bandit.policy import choose, finished, posterior
from lumen_workers.experiments.bandit.reward import worth
from lumen_workers.experiments.pace import Guard, Pace, Plan

_WHY = {
    Finished.CLEAR: "early: one arm is the best with the probability that was asked for",
    Finished.CLOSE: "early: no arm is better than the best-looking one by a size that matters",
}


@dataclass(frozen=True, kw_only=True)
class BanditPlan:
    """What a bandit is started with: recorded in the store. ``keep``: what the rule has afterwards, where one arm is
    clearly the best."""

    loop: str
    bandit: BanditOptions
    pace: Pace
    guard: Guard = field(default_factory=Guard)
    keep: Literal["original", "best"] = "original"
    note: str = ""

    @property
    def rule(self) -> str:
        return self.bandit.rule

    def recorded(self) -> dict[str, Any]:
        """As the store keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """From what the store keeps."""
        bandit = dict(config["bandit"])
        bandit |= {"arms": tuple(bandit["arms"]), "weights": Weights(**bandit["weights"])}
        return cls(
            **{
                **config,
                "bandit": BanditOptions(**bandit),
                "pace": Pace(**config["pace"]),
                "guard": Guard(**config["guard"]),
            }
        )


@dataclass(frozen=True)
class BanditDesign:
    """``Design`` of a bandit."""

    plan: BanditPlan

    @property
    def pace(self) -> Pace:
        return self.plan.pace

    @property
    def guard(self) -> Guard:
        return self.plan.guard

    def next(self, periods: Sequence[Period]) -> Plan | None:
        options = self.plan.bandit
        if len(periods) >= options.rounds:
            return None
        choice = choose(played(periods), options, len(periods) + 1)
        return Plan(
            arm=f"{choice.arm:g}",
            value=choice.arm,
            why={"propensities": list(choice.propensities), "draws": list(choice.draws), "point": choice.point},
        )

    def enough(self, periods: Sequence[Period]) -> str | None:
        why = finished(played(periods), self.plan.bandit)
        return None if why is None else _WHY.get(why)

    def reward(self, means: Mapping[str, float]) -> float | None:
        return worth(Reading(**means), self.plan.bandit.weights)

    def line(self, periods: Sequence[Period], period: Period) -> Mapping[str, Any]:
        """S13's log of a round: what is believed of its arm behind it, and the probabilities that it was drawn with."""
        options = self.plan.bandit
        beliefs = posterior(played([*periods, period]), options)
        own = beliefs[options.place(period.value)]
        return {
            "round": period.number,
            "rule": options.rule,
            "arm": period.value,
            "reward": period.reward,
            "post_mu": own.mu,
            "post_sigma": own.sigma,
            "n": period.n,
            "propensities": period.plan["propensities"],
        }

    def result(self, periods: Sequence[Period], tau_s: Mapping[str, float | None]) -> Mapping[str, Any]:  # noqa: ARG002
        options, log = self.plan.bandit, played(periods)
        beliefs = posterior(log, options)
        values = [value_of_arm(log, arm, options) for arm in options.arms] if log else []
        best = max(beliefs, key=lambda belief: belief.p_best)
        return {
            "best": best.arm if log else None,
            "p_best": best.p_best,
            "clear": finished(log, replace(options, rounds=len(log) + 1)) is Finished.CLEAR if log else False,
            "arms": [asdict(belief) for belief in beliefs],
            "values": [{**asdict(value), "verdict": value.verdict.value} for value in values],
            "warnings": [],
        }

    def final(self, experiment: Experiment, result: Mapping[str, Any]) -> float:
        """The original value; with ``keep: best`` the best arm where it is clear."""
        if self.plan.keep == "original" or not result["clear"]:
            return experiment.original
        return float(result["best"])


def played(periods: Sequence[Period]) -> list[Played]:
    """The rounds that are over."""
    return [
        Played(round=p.number, arm=p.value, propensities=tuple(p.plan["propensities"]), reward=p.reward)
        for p in periods
        if p.ended is not None
    ]
