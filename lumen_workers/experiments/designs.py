"""From a recorded experiment to what decides its steps."""

from __future__ import annotations

from lumen_workers.domain.experiments import Experiment, ExperimentKind
from lumen_workers.experiments.bandit.run import BanditDesign, BanditPlan
from lumen_workers.experiments.bracket.options import BracketOptions
from lumen_workers.experiments.bracket.run import BracketDesign
from lumen_workers.experiments.pace import Design


def design_of(experiment: Experiment) -> Design:
    """By what was recorded when it started, never by a file."""
    if experiment.kind is ExperimentKind.BRACKET:
        return BracketDesign(BracketOptions.of(experiment.config), experiment.seed)
    return BanditDesign(BanditPlan.of(experiment.config))
