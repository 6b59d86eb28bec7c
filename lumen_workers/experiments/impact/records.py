"""What an analysis is given and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.records import Record
from lumen_workers.effects.verdicts import Verdict
from lumen_workers.experiments.mixture import Mixture

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Good(IntEnum):
    """The direction that is an improvement."""

    UP = 1
    DOWN = -1


@dataclass(frozen=True, kw_only=True)
class Observations:
    """The series, row by row. A missing value is NaN; it ends here and is never handed on.

    ``ts`` is int64[n], µs, ascending without repetition; ``y`` is float64[n]; ``x`` is float64[n, k], its columns are
    ``controls``.
    """

    ts: Ints
    target: str
    y: Floats
    controls: tuple[str, ...]
    x: Floats

    def __post_init__(self) -> None:
        n, k = len(self.ts), len(self.controls)
        if self.ts.shape != (n,) or self.y.shape != (n,) or self.x.shape != (n, k):
            raise ValueError(f"ts[n], y[n] and x[n, k] are needed, not {self.ts.shape}, {self.y.shape}, {self.x.shape}")
        if n > 1 and int(np.diff(self.ts).min()) <= 0:
            raise UsageError("times must rise from row to row; sort the rows and leave out repetitions")
        if self.target in self.controls or len(set(self.controls)) < k:
            raise UsageError("the target and the controls must be different series; name each once")


@dataclass(frozen=True, kw_only=True)
class ImpactOptions(Record):
    """Windows around the event, in seconds; None reaches to the end of the data.

    Pre is [−pre_s, 0), post is [+washout_s, +post_s). ``ridge_lambda``: None is chosen on the pre-period.
    ``min_samples`` complete rows on the pre side, ``min_post`` (None: as many) on the post side.
    ``good``: the direction that improves. ``relevant``: the smallest effect that matters, in the target's unit; None:
    half of the target's standard deviation before the event. ``level`` of the intervals.
    ``opinion``: ask the structural model too.
    """

    pre_s: float | None = 120.0
    post_s: float | None = 120.0
    washout_s: float = 10.0
    ridge_lambda: float | None = None
    min_samples: int = 150
    min_post: int | None = None
    good: Good | None = None
    relevant: float | None = None
    level: float = 0.95
    opinion: bool = True


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and its interval, ``lo <= effect <= hi``."""

    effect: float
    lo: float
    hi: float

    @classmethod
    def of(cls, known: Mixture, level: float) -> Estimate:
        """The mean of what is known, and its central interval."""
        lo, hi = known.interval(level)
        return cls(effect=min(max(known.mean, lo), hi), lo=lo, hi=hi)

    def scaled(self, factor: float) -> Estimate:
        """The estimate of ``factor`` (> 0) times the number."""
        return Estimate(effect=self.effect * factor, lo=self.lo * factor, hi=self.hi * factor)

    def as_dict(self) -> dict[str, float]:
        return {"effect": self.effect, "lo": self.lo, "hi": self.hi}


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A control that was not used, and why, in words."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """What the structural model says of the mean effect; ``agrees`` is None when it says too little, and ``why``."""

    estimate: Estimate | None
    agrees: bool | None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        numbers = self.estimate.as_dict() if self.estimate else {"effect": None, "lo": None, "hi": None}
        return {"model": "local level with regression", **numbers, "agrees": self.agrees, "why": self.why or None}


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The model behind an estimate.

    ``kind``: ``controls``, or ``level`` where none was usable. ``phi``: correlation of the noise from one step to the
    next (mean of its distribution); ``white``: the share of it that has none. ``step_s``: the step, that of the data
    times ``averaged``, the rows whose mean is one row of the model. ``weights``: change of the target for a change of
    the control by 1. ``r2_pre``: share of the target's variance before the event that the controls explain. ``p``:
    two-sided p-value of no effect; ``se``: standard deviation of the effect's distribution. ``placebos``: pseudo-events
    tried.
    """

    kind: str
    phi: float
    white: float
    step_s: float
    averaged: int
    ridge_lambda: float | None
    lambda_chosen: bool
    weights: dict[str, float]
    r2_pre: float
    residual_sd: float
    se: float
    p: float
    placebos: int
    second_opinion: SecondOpinion | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "phi": self.phi,
            "white": self.white,
            "step_s": self.step_s,
            "averaged": self.averaged,
            "ridge_lambda": self.ridge_lambda,
            "lambda_chosen": self.lambda_chosen,
            "weights": dict(self.weights),
            "r2_pre": self.r2_pre,
            "residual_sd": self.residual_sd,
            "se": self.se,
            "p": self.p,
            "placebos": self.placebos,
            "second_opinion": self.second_opinion.as_dict() if self.second_opinion else None,
        }


@dataclass(frozen=True, kw_only=True)
class Path:
    """The analysis by rows of the model, for a picture. Post arrays begin with the first row after the washout.

    ``expected`` is the counterfactual at all rows of ``ts``; the bands (pointwise, at the report's level) and the
    effects are for the last ``len(effect)`` rows, the post-period. ``cumulative`` sums ``effect`` up to each row, over
    rows of the data.
    """

    ts: Ints
    observed: Floats
    expected: Floats
    effect: Floats
    effect_lo: Floats
    effect_hi: Floats
    cumulative: Floats
    cumulative_lo: Floats
    cumulative_hi: Floats


@dataclass(frozen=True, kw_only=True)
class ImpactReport(Record):
    """What an event did to a target. All numbers are finite; None where there is none (verdict ``insufficient``).

    ``mean`` is the mean effect over the post rows, ``cumulative`` their sum; ``observed`` and ``expected`` are the
    post means of the target and of its counterfactual. ``notes``: what a reader should know, one sentence each.
    """

    target: str
    event: datetime
    options: ImpactOptions
    verdict: Verdict
    n_pre: int
    n_post: int
    n_incomplete: int
    relevant: float | None = None
    mean: Estimate | None = None
    cumulative: Estimate | None = None
    observed: float | None = None
    expected: float | None = None
    p_placebo: float | None = None
    controls_used: tuple[str, ...] = ()
    controls_dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    model: ModelFacts | None = None
    path: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON, without ``path``."""
        none = {"effect": None, "lo": None, "hi": None}
        options = self.options
        return {
            "target": self.target,
            "event": iso(self.event),
            "verdict": self.verdict.value,
            **(self.mean.as_dict() if self.mean else none),
            "cumulative": self.cumulative.as_dict() if self.cumulative else dict(none),
            "observed": self.observed,
            "expected": self.expected,
            "p_placebo": self.p_placebo,
            "n_pre": self.n_pre,
            "n_post": self.n_post,
            "n_incomplete": self.n_incomplete,
            "controls_used": list(self.controls_used),
            "controls_dropped": [{"name": item.name, "why": item.why} for item in self.controls_dropped],
            "notes": list(self.notes),
            "model": self.model.as_dict() if self.model else None,
            "options": {
                "pre_s": options.pre_s,
                "post_s": options.post_s,
                "washout_s": options.washout_s,
                "ridge_lambda": options.ridge_lambda,
                "min_samples": options.min_samples,
                "good": options.good.name.lower() if options.good else None,
                "relevant": self.relevant,
                "level": options.level,
            },
        }
