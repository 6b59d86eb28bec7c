"""Starting an experiment: everything that can be wrong is said before anything is changed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from lumen_workers.domain.clock import iso, to_us
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.experiments import Experiment, ExperimentKind, ExperimentState
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec, RuleSpec
from lumen_workers.domain.signals import Block
from lumen_workers.experiments.bandit.options import check_arms
from lumen_workers.experiments.bandit.run import BanditPlan
from lumen_workers.experiments.bracket.noise import noise_of
from lumen_workers.experiments.bracket.options import BracketOptions
from lumen_workers.experiments.bracket.power import Power, power
from lumen_workers.experiments.pace import Pace

QUIET: Final = timedelta(minutes=5)
"""The stretch before the start that the loop's noise is estimated from, less what a rule change disturbs."""
SETTLED: Final = timedelta(seconds=30)
"""How long after a rule change the loop counts as settled for that."""
FEWEST: Final = 20
"""Samples that a period must have room for behind its washout."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """An experiment that may start. ``powers``: signal → what it can tell; empty where the noise is not known."""

    experiment: Experiment
    powers: dict[str, Power]
    duration_s: float


def plan_bracket(store: Store, spec: LoopSpec, options: BracketOptions, *, by: str, seed: int | None = None) -> Launch:
    """Check a bracket and work out what it can tell. Changes nothing. Raises UsageError."""
    rule = _rule(spec, options.rule)
    options.check(rule)
    rate_hz = store.loops.rates().get(spec.name, spec.rate_hz)
    _check_pace(options.pace, rate_hz)
    quiet = _quiet(store, spec)
    noises = noise_of(quiet, rate_hz)
    powers = {
        name: power(noise, options.pace, options.pairs, rate_hz, options.relevant, level=options.level)
        for name, noise in noises.items()
        if noise is not None
    }
    experiment = _experiment(
        store,
        spec,
        rule,
        ExperimentKind.BRACKET,
        config=options.recorded(),
        planned=2 * options.pairs,
        by=by,
        seed=secrets.randbits(62) if seed is None else seed,
    )
    return Launch(experiment=experiment, powers=powers, duration_s=options.duration_s)


def plan_bandit(store: Store, spec: LoopSpec, plan: BanditPlan, *, by: str) -> Launch:
    """Check a bandit. Changes nothing. Raises UsageError."""
    rule = _rule(spec, plan.rule)
    check_arms(plan.bandit, rule)
    _check_pace(plan.pace, store.loops.rates().get(spec.name, spec.rate_hz))
    _quiet(store, spec)
    experiment = _experiment(
        store,
        spec,
        rule,
        ExperimentKind.BANDIT,
        config=plan.recorded(),
        planned=plan.bandit.rounds,
        by=by,
        seed=plan.bandit.seed,
    )
    return Launch(experiment=experiment, powers={}, duration_s=plan.bandit.rounds * plan.pace.period_s)


def launch(store: Store, planned: Launch) -> Experiment:
    """Start it. Raises UsageError while another one runs on the loop."""
    return store.experiments.start(replace(planned.experiment, started=store.now()))


def _experiment(
    store: Store,
    spec: LoopSpec,
    rule: RuleSpec,
    kind: ExperimentKind,
    *,
    config: dict[str, object],
    planned: int,
    by: str,
    seed: int,
) -> Experiment:
    if running := store.experiments.rows(spec.name, running=True):
        raise UsageError(
            f"loop {spec.name} has an experiment already: {running[0].experiment_id} is running; wait for its end or "
            f"end it with `lumen experiment stop {running[0].experiment_id}`"
        )
    if (watch := store.watches.running(spec.name)) is not None:
        raise UsageError(f"loop {spec.name}: the self-tuner is watching {watch.rule}; try again in a minute or two")
    now = store.now()
    present = store.rules.current(spec.name).get(rule.name)
    return Experiment(
        experiment_id=content_id("xp", spec.name, rule.name, iso(now), by, seed),
        loop=spec.name,
        rule=rule.name,
        kind=kind,
        state=ExperimentState.RUNNING,
        config=config,
        seed=seed,
        original=rule.initial if present is None else present.value,
        started=now,
        by=by,
        planned=planned,
    )


def _rule(spec: LoopSpec, name: str) -> RuleSpec:
    if name not in spec.rules:
        raise NotFound(f"unknown rule {name!r}; loop {spec.name} has: {', '.join(spec.rules) or 'none'}")
    return spec.rules[name]


def _check_pace(pace: Pace, rate_hz: int) -> None:
    room = (pace.period_s - pace.washout_s) * rate_hz
    if room < FEWEST:
        raise UsageError(
            f"period_s {pace.period_s:g} leaves {room:.0f} samples after the washout at {rate_hz} Hz; "
            f"a period needs {FEWEST}"
        )


def _quiet(store: Store, spec: LoopSpec) -> Block:
    """The samples of the last minutes without what follows a rule change. Raises UsageError without fresh samples."""
    now = store.now()
    span = store.samples.span(spec.name)
    if span is None:
        raise UsageError(f"loop {spec.name} has no samples; an experiment needs a loop that is being sampled")
    age = (to_us(now) - span[1]) / 1_000_000
    if age > 60:
        raise UsageError(
            f"loop {spec.name} has had no samples for {age:.0f} s; an experiment needs a loop that is being sampled"
        )
    start = now - QUIET
    last = max((value.since for value in store.rules.current(spec.name).values() if value.since), default=None)
    if last is not None:
        start = max(start, last + SETTLED)
    return store.samples.window(spec.name, to_us(min(start, now)), to_us(now))
