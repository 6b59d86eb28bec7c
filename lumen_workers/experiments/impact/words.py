"""A result as a sentence."""

from __future__ import annotations

from typing import Final

from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.impact.records import ImpactReport

MEANING: Final = {
    Verdict.IMPROVED: "improved",
    Verdict.WORSENED: "worsened",
    Verdict.CHANGED: "changed",
    Verdict.NO_CHANGE_DETECTABLE: "no change detectable: every effect that matters is ruled out",
    Verdict.INCONCLUSIVE: "inconclusive: neither no effect nor one that matters is ruled out",
    Verdict.INSUFFICIENT: "insufficient",
}


def sentence(report: ImpactReport) -> str:
    """What the event did, in one sentence."""
    options = report.options
    if report.mean is None:
        return (
            f"insufficient: {report.n_pre} complete rows before the event and {report.n_post} after it; "
            f"{options.min_samples} and {options.min_samples if options.min_post is None else options.min_post} are "
            "needed"
        )
    mean = report.mean
    way = "higher" if mean.effect > 0 else "lower"
    past = "its controls" if report.controls_used else "its own past"
    return (
        f"{report.target} was {number(abs(mean.effect))} {way} than {past} led to expect ({options.level * 100:g} % "
        f"interval {signed(mean.lo)} to {signed(mean.hi)}): {MEANING[report.verdict]}."
    )


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is missing."""
    return "–" if value is None else f"{value:.4g}"


def signed(value: float | None) -> str:
    """The same with its sign."""
    return "–" if value is None else f"{value:+.4g}"
