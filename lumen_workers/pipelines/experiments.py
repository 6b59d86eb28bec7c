"""What moves experiments along, and the self-tuner."""

from __future__ import annotations

from datetime import timedelta

from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.experiments import Experiment, ExperimentState
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.engine.context import Context
from lumen_workers.experiments.designs import design_of
from lumen_workers.experiments.machine import Machine

LOOK_BACK = timedelta(days=1)
"""How long after its end an aborted experiment's ticket is looked for: a worker may have died before it wrote it."""


def experiments(ctx: Context) -> str:
    """Do what is due in every running experiment."""
    said: list[str] = []
    failed: list[LumenError] = []
    for experiment in ctx.store.experiments.rows(running=True):
        if experiment.loop not in ctx.loops:
            continue
        try:
            said.append(f"{experiment.experiment_id}: {machine_of(ctx, experiment).step()}")
        except LumenError as error:
            # One experiment in trouble keeps none of the others; the tick fails all the same.
            failed.append(error)
    _tell_aborted(ctx)
    if failed:
        raise failed[0]
    return "; ".join(said) or "no experiment is running"


def machine_of(ctx: Context, experiment: Experiment) -> Machine:
    """What moves ``experiment``."""
    return Machine(
        store=ctx.store,
        rules=ctx.rules(),
        loop=ctx.loops[experiment.loop],
        experiment=experiment,
        design=design_of(experiment),
    )


def _tell_aborted(ctx: Context) -> None:
    """A ticket for each experiment that ended otherwise than planned."""
    since = ctx.store.now() - LOOK_BACK
    for experiment in ctx.store.experiments.rows(limit=20):
        if experiment.state is not ExperimentState.ABORTED or experiment.ended is None or experiment.ended < since:
            continue
        key = f"experiment/{experiment.experiment_id}"
        if ctx.store.notices.alarm(key) is None:
            ctx.store.notices.raise_alarm(
                key,
                "experiment_aborted",
                AlarmSeverity.TICKET,
                f"experiment {experiment.experiment_id} on {experiment.rule} of loop {experiment.loop} was ended: "
                f"{experiment.reason}; `lumen experiment show {experiment.experiment_id}` tells what it has found",
                facts={"loop": experiment.loop, "rule": experiment.rule, "experiment": experiment.experiment_id},
            )
