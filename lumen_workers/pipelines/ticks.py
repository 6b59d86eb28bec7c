"""The ticks: sample, effects, experiments, gateway, tune, rhythm, deliver, reconcile, trust."""

from __future__ import annotations

from typing import NamedTuple

from lumen_workers.effects.tracker import compute_due
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Tick
from lumen_workers.engine.outbox import deliver
from lumen_workers.engine.reconcile import reconcile
from lumen_workers.engine.regions import is_drained
from lumen_workers.findings.speaker import speak
from lumen_workers.loop.rules import NotApplied
from lumen_workers.pipelines.daily import DAILY_PIPELINE
from lumen_workers.pipelines.experiments import experiments
from lumen_workers.pipelines.rhythm import rhythm
from lumen_workers.pipelines.trust import trust
from lumen_workers.pipelines.tuning import tune


def sample(ctx: Context) -> str:
    """Sample the region's loops until the next tick's burst has taken over; a drained region begins no new burst."""
    if is_drained(ctx, ctx.region):
        return f"drained: {ctx.region} begins no burst; another region takes its loops over"
    report = ctx.lane().burst()
    loops = ", ".join(f"{name} {loop.samples} (p99 {loop.p99_ms:.1f} ms)" for name, loop in report.loops.items())
    return f"{report.ending}: {loops or 'no loop to sample'}"


def effects(ctx: Context) -> str:
    """Apply rule changes that a crash left behind, compute the effects that are due, and say what they are worth."""
    computed = said = 0
    unapplied: list[NotApplied] = []
    for loop in ctx.store.loops.rates():
        try:
            if loop in ctx.loops:
                ctx.rules().apply_pending(loop)
        except NotApplied as error:
            # One loop that cannot be reached keeps no effect from the others; the tick fails all the same.
            unapplied.append(error)
        measured = measure(ctx, loop)
        computed, said = computed + measured.effects, said + measured.findings
    if unapplied:
        raise unapplied[0]
    return f"{computed} effects, {said} findings"


def gateway(ctx: Context) -> str:
    """Move each loop's gateway where its newest samples ask for it; apply what a lost lock has rolled back."""
    moves, undone = [], []
    for loop in sorted(ctx.loops.keys() & {gateway.loop for gateway in ctx.store.gateways.rows()}):
        moved = ctx.gatekeeper.look(loop, ctx.holder)
        if moved is None:
            continue
        back = f", {moved.undone.undoes} rolled back" if moved.undone else ""
        moves.append(f"{loop} {moved.gateway.status}{back}")
        undone += [loop] if moved.undone else []
    # Recorded with the step: what cannot reach its loop now is tried again by the effects tick.
    for loop in undone:
        ctx.rules().apply_pending(loop)
    return "; ".join(moves) or "nothing to move"


class Measured(NamedTuple):
    """What was new in a loop: effects, and quotes and risks together."""

    effects: int
    findings: int


def measure(ctx: Context, loop: str) -> Measured:
    """Compute the effects of a loop that are due, and say what they are worth."""
    effects = compute_due(ctx.store, loop, ctx.effect_options, ctx.store.now())
    spoken = speak(ctx.store, loop, ctx.thresholds, ctx.locale, silent=ctx.store.experiments.switches)
    return Measured(len(effects), len(spoken.quotes) + len(spoken.risks))


TICKS = (
    Tick(name="sample", run=sample, lane="sampler"),
    Tick(name="effects", run=effects),
    Tick(name="experiments", run=experiments),
    Tick(name="gateway", run=gateway),
    Tick(name="tune", run=tune),
    Tick(name="rhythm", run=rhythm),
    Tick(name="deliver", run=deliver),
    Tick(name="trust", run=trust),
    Tick(name="reconcile", run=lambda ctx: reconcile(ctx, {DAILY_PIPELINE.name: DAILY_PIPELINE})),
)
