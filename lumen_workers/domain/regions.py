"""What is known of regions: signs of life, and what people have switched on or off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lumen_workers.domain.records import Record

PAUSE: Final = "pause"
"""While it is on, no rule is changed automatically, anywhere."""

SUPPRESS: Final = "suppress"
"""While it is on, no alarm goes out; they stand all the same."""


def drain_switch(region: str) -> str:
    """The switch that drains ``region``: it finishes what it has begun and takes nothing new."""
    return f"drain/{region}"


@dataclass(frozen=True, kw_only=True)
class Pulse(Record):
    """The last sign of life of one lane of one region on one host. ``started``: since when it has been the holder."""

    region: str
    lane: str
    host: str
    holder: str
    started: datetime
    seen: datetime
    code_version: str


@dataclass(frozen=True, kw_only=True)
class Switch(Record):
    """Something a person has turned on."""

    name: str
    by: str
    since: datetime
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class StandIn(Record):
    """Who stands in for a silent region, in order, and how long it must have been silent."""

    regions: tuple[str, ...]
    after: timedelta


def drained(switches: Iterable[Switch]) -> frozenset[str]:
    """The regions that take nothing new."""
    prefix = drain_switch("")
    return frozenset(s.name.removeprefix(prefix) for s in switches if s.name.startswith(prefix))


def default_stand_ins(regions: tuple[str, ...], after: timedelta) -> dict[str, StandIn]:
    """Every other region in order, beginning behind the one that is silent."""
    return {region: StandIn(regions=(*regions[n + 1 :], *regions[:n]), after=after) for n, region in enumerate(regions)}


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Record):
    """One line of the audit log. ``chain`` is the region that wrote it; ``hash`` covers all else and ``prev``."""

    chain: str
    seq: int
    ts: datetime
    actor: str
    pipeline: str
    region: str
    trace_id: str | None
    event: str
    subject: str
    detail: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Tally(Record):
    """A counter that survives restarts."""

    name: str
    labels: Mapping[str, str]
    value: int
