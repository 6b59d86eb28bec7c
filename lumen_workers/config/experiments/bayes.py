"""``configs/bayes_priors.yaml`` (S12)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lumen_workers.config.files import LoopName, Number, Strict
from lumen_workers.experiments.bayes import WEIGHTS, Normal, Priors

Belief = Annotated[tuple[Number, Annotated[Number, Field(gt=0)]], Field(strict=False)]


class BayesFile(Strict):
    """``priors``: rule → signal → [mean, standard deviation] of Δ for a change of the rule by its ``steps``."""

    priors: dict[LoopName, dict[str, Belief]]
    steps: dict[LoopName, Number]
    noise_sigma: Annotated[Number, Field(gt=0)] = 0.02
    weights: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=lambda: dict(WEIGHTS))
    decision_threshold: Annotated[Number, Field(gt=0.5, lt=1)] = 0.62

    def options(self) -> Priors:
        """Raises UsageError for a name that is no signal, and a rule without a step."""
        return Priors(
            effects={
                rule: {name: Normal(mu=mu, sigma=sigma) for name, (mu, sigma) in signals.items()}
                for rule, signals in self.priors.items()
            },
            steps=self.steps,
            noise_sigma=self.noise_sigma,
            weights=self.weights,
            threshold=self.decision_threshold,
        )
