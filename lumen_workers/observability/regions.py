"""Regions: signs of life, switches, ticks, lanes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.metrics_core import Metric

from lumen_workers.domain.ports import Store
from lumen_workers.domain.regions import PAUSE, SUPPRESS, drain_switch
from lumen_workers.observability.families import gauge, gauges
from lumen_workers.observability.view import View

SILENT_AFTER: Final = timedelta(seconds=30)
"""A region whose jobs lane has given no sign of life for so long is not up."""


def regions(store: Store, view: View, now: datetime) -> Iterator[Metric]:
    """Which regions live, and which are drained; a region that never gave a sign is not up."""
    seen: dict[tuple[str, str], datetime] = {}
    for pulse in store.pulses.rows():
        key = (pulse.region, pulse.lane)
        seen[key] = max(pulse.seen, seen.get(key, pulse.seen))
    jobs = {region: seen.get((region, "jobs")) for region in view.regions}
    up = (((region,), float(at is not None and now - at <= SILENT_AFTER)) for region, at in jobs.items())
    yield from gauges("lumen_region_up", "1: the region's jobs lane gave a sign of life within 30 s", ("region",), up)
    rows = ((key, at.timestamp()) for key, at in seen.items())
    about = "When a lane gave its last sign of life"
    yield from gauges("lumen_region_seen_timestamp_seconds", about, ("region", "lane"), rows)
    on = {switch.name for switch in store.switches.rows()}
    drained = (((region,), float(drain_switch(region) in on)) for region in view.regions)
    yield from gauges("lumen_region_drained", "1: the region takes nothing new", ("region",), drained)
    yield from gauge("lumen_paused", "1: no rule is changed automatically", float(PAUSE in on))
    yield from gauge("lumen_alert_suppressed", "1: somebody keeps alerts quiet", float(SUPPRESS in on))


def ticks(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """When each entry of the schedule last ran, and how often it should."""
    fired = (
        ((state.entry, state.region), state.started.timestamp())
        for state in store.ticks.states()
        if state.entry in view.schedule and state.region in view.regions
    )
    about = "When the entry's latest slot was taken"
    yield from gauges("lumen_tick_last_fire_timestamp_seconds", about, ("entry", "region"), fired)
    periods = (((entry.name,), entry.every_s) for entry in view.schedule.values() if entry.every_s is not None)
    yield from gauges("lumen_tick_period_seconds", "How often the entry is due", ("entry",), periods)


def queues(store: Store, view: View, now: datetime) -> Iterator[Metric]:  # noqa: ARG001
    """How many messages wait in each lane, and for how long; nothing of it while the broker is away."""
    if view.depths is None:
        return
    found = view.depths()
    yield from gauge("lumen_broker_up", "1: the broker answers", float(found is not None))
    lanes = found or {}
    about = "Messages that wait in the lane"
    rows = ((lane, float(depth)) for lane, (depth, _) in lanes.items())
    yield from gauges("lumen_queue_depth", about, ("region", "lane"), rows)
    about = "How long the lane's oldest message has been seen to wait, 0 in an empty lane"
    ages = ((lane, age) for lane, (_, age) in lanes.items() if age is not None)
    yield from gauges("lumen_queue_age_seconds", about, ("region", "lane"), ages)
