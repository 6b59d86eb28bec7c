"""The natural rhythm's tick: look at the surroundings, note what they add to the phase target."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from lumen_workers.domain.clock import iso
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import RHYTHM
from lumen_workers.engine.context import Context
from lumen_workers.engine.ticks import entry_of
from lumen_workers.loop.rhythm import correction


def rhythm(ctx: Context) -> str:
    """One line in the journal of each loop that is tuned; none without a source."""
    data = sync(ctx)
    if data is None:
        return "no source"
    entry = entry_of(ctx, "rhythm", ctx.region)
    slot = iso(ctx.store.now()) if entry is None else entry.slot(ctx.store.now())
    for loop in ctx.tuned_loops:
        ctx.store.journal.append(loop, RHYTHM, data, entry_id=content_id("ry", loop, slot))
    if data["problem"] is not None:
        return str(data["problem"])
    shift = data["delta_phase"]
    return "nothing measured" if shift is None else f"phase target {shift:+.4f}"


def sync(ctx: Context) -> dict[str, Any] | None:
    """What the surroundings add now, as the journal keeps it; None without a source. Writes nothing."""
    source = ctx.environment()
    if source is None:
        return None
    now = ctx.store.now()
    seen = source.observe(now - timedelta(seconds=ctx.rhythm.max_age_s), now)
    found = asdict(correction(seen.readings, now, ctx.rhythm))
    return {**found, "ts": iso(now), "problem": seen.problem}
