"""The natural rhythm's tick: look at the surroundings, note what they add to the phase target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lumen_workers.domain.clock import iso, parse_ts, to_us
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import RHYTHM
from lumen_workers.engine.context import Context
from lumen_workers.engine.ticks import entry_of
from lumen_workers.loop.rhythm import correction, since


def rhythm(ctx: Context) -> str:
    """One line in the journal of each loop that is tuned; none without a source."""
    data = sync(ctx)
    if data is None:
        return "no source"
    entry = entry_of(ctx, "rhythm", ctx.region)
    now = parse_ts(data["ts"])
    note(ctx, data, to_us(now) if entry is None else entry.slot(now))
    if data["delta_phase"] is None:
        return str(data["problem"] or "nothing measured")
    return f"phase target {data['delta_phase']:+.4f}" + (f"; {data['problem']}" if data["problem"] else "")


def sync(ctx: Context) -> dict[str, Any] | None:
    """What the surroundings add now, as the journal keeps it; None without a source. Writes nothing."""
    source = ctx.environment()
    if source is None:
        return None
    now = ctx.store.now()
    seen = source.observe(since(now, ctx.rhythm), now)
    found = asdict(correction(seen.readings, now, ctx.rhythm))
    return {**found, "ts": iso(now), "problem": seen.problem}


def note(ctx: Context, data: Mapping[str, Any], slot: int) -> list[str]:
    """Write it for each loop that is tuned, at the time at which it was seen; returns those that had no line yet.

    ``slot`` makes the line's id: two regions that look in one slot write one line, and a slow answer belongs to the
    slot in which it was asked for.
    """
    ts = parse_ts(data["ts"])
    return [
        loop
        for loop in ctx.tuned_loops
        if ctx.store.journal.append(loop, RHYTHM, data, entry_id=content_id("ry", loop, slot), ts=ts) is not None
    ]
