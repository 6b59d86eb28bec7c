"""Causal impact: what a target would have done without an event, told from control series, and what it did (S13)."""

from lumen_workers.experiments.impact.analysis import analyse
from lumen_workers.experiments.impact.records import Good, ImpactOptions, ImpactReport, Observations

__all__ = ["Good", "ImpactOptions", "ImpactReport", "Observations", "analyse"]
