"""The self-tuner's tick: what new effects say, then one step of each minded loop's tuner."""

from __future__ import annotations

from lumen_workers.domain.errors import LumenError
from lumen_workers.engine.context import Context
from lumen_workers.engine.ticks import entry_of
from lumen_workers.experiments.belief import believe, fold
from lumen_workers.experiments.rhythm import phase_shift
from lumen_workers.experiments.scores import decision_scores
from lumen_workers.experiments.tuning.cycle import Tuner
from lumen_workers.loop.gateway import why_not_locked


def tune(ctx: Context) -> str:
    """Fold new effects into the belief of every loop, and let the tuner of each loop that it minds take its step."""
    said: list[str] = []
    failed: list[LumenError] = []
    entry = entry_of(ctx, "tune", ctx.region)
    slot = 0 if entry is None else entry.slot(ctx.store.now())
    for loop in ctx.loops:
        try:
            fold(ctx.store, loop, ctx.priors)
            if loop in ctx.tuned_loops:
                said.append(f"{loop}: {tuner_of(ctx, loop).cycle(slot)}")
            elif ctx.store.watches.running(loop) is not None:
                # It is not minded any more, but what was changed is still to be confirmed or taken back.
                said.append(f"{loop}: {tuner_of(ctx, loop).settle() or 'settled by another worker'}")
        except LumenError as error:
            # One loop in trouble keeps none of the others; the tick fails all the same.
            failed.append(error)
    if failed:
        raise failed[0]
    return "; ".join(said) or "no loop is tuned"


def tuner_of(ctx: Context, loop: str) -> Tuner:
    """The tuner of ``loop``."""
    steps = {rule: knob.direction * knob.lr for rule, knob in ctx.tuning.rules.items()}
    return Tuner(
        store=ctx.store,
        rules=ctx.rules(),
        loop=ctx.loops[loop],
        options=ctx.tuning,
        belief=believe(ctx.store, loop, ctx.priors, decision_scores(ctx.store, loop, steps)),
        lock=lambda: why_not_locked(ctx.store, loop, ctx.gateway),
        phase_shift=lambda: phase_shift(ctx.store, loop, ctx.store.now()),
    )
