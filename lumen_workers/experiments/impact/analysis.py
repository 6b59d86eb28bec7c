"""The whole analysis, in order: windows, controls, penalty, forecast, placebos, second opinion, verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lumen_workers.domain.clock import from_us, iso
from lumen_workers.domain.errors import UsageError
from lumen_workers.effects.verdicts import Verdict, verdict
from lumen_workers.experiments.impact.controls import screen
from lumen_workers.experiments.impact.model import Fit, Past
from lumen_workers.experiments.impact.notes import remarks
from lumen_workers.experiments.impact.path import trace
from lumen_workers.experiments.impact.placebo import placebo, stretches
from lumen_workers.experiments.impact.records import (
    Estimate,
    ImpactOptions,
    ImpactReport,
    ModelFacts,
    Observations,
)
from lumen_workers.experiments.impact.ridge import choose
from lumen_workers.experiments.impact.rows import Rows, split
from lumen_workers.experiments.impact.structural import second_opinion

RELEVANT_SD = 0.5
"""The smallest effect that matters, in standard deviations of the target before the event, unless one is given."""


def analyse(data: Observations, event_us: int, options: ImpactOptions, notes: tuple[str, ...] = ()) -> ImpactReport:
    """What the event at ``event_us`` (µs) did to the target; ``notes`` are put before the report's own.

    Verdict ``insufficient`` (counts, no numbers) when a side has too few complete rows. Raises UsageError for options
    that cannot be, an event outside the data, and a target that does not change before the event.
    """
    check(options)
    _inside(data, event_us)
    parts = split(data, event_us, options)
    n_pre, n_post = len(parts.pre), len(parts.post)
    plain = ImpactReport(
        target=data.target,
        event=from_us(event_us),
        options=options,
        verdict=Verdict.INSUFFICIENT,
        n_pre=n_pre,
        n_post=n_post,
        n_incomplete=parts.incomplete,
        notes=notes,
    )
    least_post = options.min_samples if options.min_post is None else options.min_post
    if n_pre < max(options.min_samples, len(data.controls) + 8) or n_post < max(least_post, 1):
        return plain
    if float(np.ptp(parts.pre.y)) <= 1e-12 * float(np.abs(parts.pre.y).max()):
        raise UsageError(f"{data.target} is constant before the event; there is nothing to learn a counterfactual from")

    parts = parts.folded()
    used, dropped = screen(parts, data.controls)
    chosen = parts.only(used)
    cut = stretches(len(chosen.pre), len(chosen.post), round(options.washout_s / parts.step_s))
    past = Past.of(chosen.pre, cut.starts)
    ridge = 0.0
    if used:
        ridge = choose(past) if options.ridge_lambda is None else options.ridge_lambda
    model = past.fit(ridge)
    effect = model.effect(chosen.post)
    mean = Estimate.of(effect, options.level)
    p_placebo = placebo(past, effect, ridge, cut)
    opinion = second_opinion(chosen.pre, chosen.post, mean, options.level) if options.opinion else None
    names = tuple(data.controls[column] for column in used)
    relevant = RELEVANT_SD * model.scale.y_sd if options.relevant is None else options.relevant
    observed = float(chosen.post.y.mean())
    explained, residual_sd = _explained(model, chosen.pre)
    facts = ModelFacts(
        kind="controls" if used else "level",
        phi=model.mean_phi,
        white=model.mean_white,
        step_s=parts.step_s,
        averaged=parts.width,
        ridge_lambda=ridge if used else None,
        lambda_chosen=bool(used) and options.ridge_lambda is None,
        weights=dict(zip(names, _weights(model), strict=True)),
        r2_pre=explained,
        residual_sd=residual_sd,
        se=effect.sd,
        p=effect.p,
        placebos=len(cut.starts),
        second_opinion=opinion,
    )
    return replace(
        plain,
        verdict=verdict(mean, options.good, relevant),
        relevant=relevant,
        mean=mean,
        cumulative=mean.scaled(n_post),
        observed=observed,
        expected=observed - mean.effect,
        p_placebo=p_placebo,
        controls_used=names,
        controls_dropped=tuple(dropped),
        notes=notes + remarks(chosen, data.controls, names, p_placebo, opinion),
        model=facts,
        path=trace(model, chosen, n_post, options.level),
    )


def check(options: ImpactOptions) -> None:
    """Raises UsageError for options that cannot be."""
    for name in ("pre_s", "post_s", "relevant"):
        value = getattr(options, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UsageError(f"{name} {value:g}: a number above 0")
    if not (options.washout_s >= 0 and math.isfinite(options.washout_s)):
        raise UsageError(f"washout_s {options.washout_s:g}: a number of at least 0")
    if options.post_s is not None and options.washout_s >= options.post_s:
        raise UsageError(f"washout_s {options.washout_s:g} must be below post_s {options.post_s:g}")
    if options.ridge_lambda is not None and not (options.ridge_lambda >= 0 and math.isfinite(options.ridge_lambda)):
        raise UsageError(f"ridge_lambda {options.ridge_lambda:g}: a number of at least 0")
    if options.min_samples < 10 or (options.min_post is not None and options.min_post < 1):
        raise UsageError("min_samples is at least 10, min_post at least 1")
    if not 0 < options.level < 1:
        raise UsageError(f"level {options.level:g}: above 0 and below 1")


def _inside(data: Observations, event_us: int) -> None:
    if not len(data.ts):
        raise UsageError("there are no data")
    first, last = int(data.ts[0]), int(data.ts[-1])
    if not first < event_us <= last:
        raise UsageError(
            f"the event at {iso(from_us(event_us))} lies outside the data, which go from {iso(from_us(first))} "
            f"to {iso(from_us(last))}"
        )


def _weights(model: Fit) -> list[float]:
    weights: list[float] = (model.mean_coef[1:] * model.scale.y_sd / model.scale.x_sd).tolist()
    return weights


def _explained(model: Fit, pre: Rows) -> tuple[float, float]:
    """R² of the pre-period, at least 0, and the standard deviation of what is left, in the target's unit."""
    left = model.scale.target(pre) - model.scale.design(pre) @ model.mean_coef
    return max(0.0, 1.0 - float(left.var())), float(left.std()) * model.scale.y_sd
