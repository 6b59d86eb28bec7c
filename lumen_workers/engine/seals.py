"""Which revision of a day a region is to build, and the seal that fixes what it is built from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from lumen_workers.domain.clock import day_bounds, day_of, to_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.runs import Run, Seal
from lumen_workers.engine.context import Context

JOIN_WINDOW = timedelta(minutes=10)
"""A provisional seal older than this is not joined by a further region: the operator wants *today* as it is now."""


def parse_day(text: str, now: datetime, zone: ZoneInfo) -> date:
    """``today``, ``yesterday`` or YYYY-MM-DD, in ``zone``. Raises UsageError, also for a day to come."""
    today = day_of(now, zone)
    if text == "today":
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"day {text!r}: use today, yesterday or YYYY-MM-DD") from None
    if day > today:
        raise UsageError(f"day {text} has not begun in {zone.key} (today is {today})")
    return day


def seal_for(ctx: Context, pipeline: str, day: date, runs: list[Run]) -> Seal:
    """The seal that this region's next run of ``day`` works from: one that stands, or a new revision.

    ``runs`` are this region's runs of the day. A standing seal is joined unless it is of other code or configuration
    (what is built would not depend on the seal only), this region has built it and there is more to tell, it was
    provisional and the day has ended, or it is provisional and no longer fresh. Sealing twice at once is harmless:
    the store keeps the first, and both get that one.
    """
    now = ctx.store.now()
    watermark = ctx.store.loops.watermark()
    seals = ctx.store.runs.seals(pipeline, day)
    latest = seals[-1] if seals else None
    if latest is not None and not _superseded(ctx, latest, runs, now, watermark):
        return latest
    start, end = day_bounds(day, ctx.zone)
    rates = ctx.store.loops.rates()
    return ctx.store.runs.seal(
        Seal(
            pipeline=pipeline,
            day=day,
            revision=1 if latest is None else latest.revision + 1,
            start=start,
            end=end,
            cutoff=min(now, end),
            watermark=watermark,
            settings={
                **ctx.settings,
                "rates": {loop: rates[loop] for loop in watermark},
                "root_fingerprint": ctx.roots()[0],
            },
            code_version=ctx.code_version,
            config_digest=ctx.config_digest,
            prev_digest=_previous_digest(ctx, pipeline, day),
            sealed_at=now,
        )
    )


def is_ours(ctx: Context, seal: Seal) -> bool:
    """Whether this process's code and configuration are those that were sealed."""
    return (seal.code_version, seal.config_digest) == (ctx.code_version, ctx.config_digest)


def _superseded(ctx: Context, seal: Seal, runs: list[Run], now: datetime, watermark: Mapping[str, int]) -> bool:
    if not is_ours(ctx, seal) or (seal.provisional and now >= seal.end):
        return True
    mine = [run for run in runs if run.revision == seal.revision]
    if any(not run.status.final for run in mine):
        return False
    built = any(run.digest is not None for run in mine)
    if seal.provisional:
        return built or now - seal.sealed_at > JOIN_WINDOW
    return built and _rows(ctx, seal, watermark) != _rows(ctx, seal, seal.watermark)


def _rows(ctx: Context, seal: Seal, watermark: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """How many rows of each kind the day has at ``watermark``, for each loop that has any."""
    store, start, end = ctx.store, seal.start, seal.end
    found: dict[str, tuple[int, ...]] = {}
    for loop, upto in watermark.items():
        events = store.rules.events(loop, start=start, end=end, upto=upto)
        counts = (
            store.samples.count(loop, to_us(start), to_us(end), upto=upto),
            len(events),
            sum(event.applied_at is not None for event in events),
            sum(event.failed_at is not None for event in events),
            len(store.effects.rows(loop, start=start, end=end, upto=upto)),
            len(store.findings.quotes(loop, start=start, end=end, upto=upto)),
            len(store.findings.risks(loop, start=start, end=end, upto=upto)),
            len(store.journal.rows(loop=loop, start=start, end=end, upto=upto)),
        )
        if any(counts):
            found[loop] = counts
    return found


def _previous_digest(ctx: Context, pipeline: str, day: date) -> str | None:
    results = ctx.store.runs.results(pipeline, day - timedelta(days=1))
    return results[-1].digest if results else None
