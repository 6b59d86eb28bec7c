"""Records of the day's work: seals, runs, stages, leases, owed rows, ticks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from lumen_workers.domain.clock import iso
from lumen_workers.domain.records import Record


@dataclass(frozen=True, kw_only=True)
class Lease(Record):
    """The right to work under ``name`` until ``expires`` (store time). A higher epoch fences every lower one."""

    name: str
    holder: str
    epoch: int
    expires: datetime


@dataclass(frozen=True, kw_only=True)
class Seal(Record):
    """What a day's evidence is built from; written once, before the first build, by whoever comes first.

    ``watermark`` is loop → ledger number: rows above it do not exist for this revision. ``cutoff`` (exclusive) bounds
    the instants; it is before ``end`` for a provisional revision of a day that still runs. ``settings`` holds every
    setting that the built bytes depend on.
    """

    pipeline: str
    day: date
    revision: int
    start: datetime
    end: datetime
    cutoff: datetime
    watermark: Mapping[str, int]
    settings: Mapping[str, Any]
    code_version: str
    config_digest: str
    prev_digest: str | None
    sealed_at: datetime

    @property
    def provisional(self) -> bool:
        """Whether the day had not ended when it was sealed."""
        return self.cutoff < self.end

    def as_json(self) -> dict[str, Any]:
        """The seal as it stands in the store and in the snapshot."""
        return {
            "pipeline": self.pipeline,
            "day": self.day.isoformat(),
            "revision": self.revision,
            "start": iso(self.start),
            "end": iso(self.end),
            "cutoff": iso(self.cutoff),
            "watermark": dict(sorted(self.watermark.items())),
            "settings": dict(self.settings),
            "code_version": self.code_version,
            "config_digest": self.config_digest,
            "prev_digest": self.prev_digest,
            "sealed_at": iso(self.sealed_at),
        }

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hex."""
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class RunStatus(StrEnum):
    """Where a run stands. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    LOST = "lost"

    @property
    def final(self) -> bool:
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class StageStatus(StrEnum):
    """Where a stage of a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class StageRun(Record):
    """One stage of one run. ``outputs`` is what the stage hands on: digests and counts, JSON values only.

    ``carried_from`` names the attempt that did it, where a later one goes on behind it.
    """

    run_id: str
    name: str
    status: StageStatus
    started: datetime
    ended: datetime | None = None
    seconds: float | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error_class: str | None = None
    error: str | None = None
    error_rule: str | None = None
    carried_from: str | None = None


class Cause(StrEnum):
    """Why there is an attempt. The first of a day is asked for, by the schedule or by a person."""

    ASKED = "asked"
    RERUN = "rerun"
    LOST = "lost"
    TAKEOVER = "takeover"


@dataclass(frozen=True, kw_only=True)
class Run(Record):
    """One attempt of one region at one revision of one day.

    ``assigned`` names the region whose workers are to do it, ``executed_by`` the one whose workers did: another one
    where it stands in for a silent region. ``follows`` is the attempt before it, ``cause`` why there is another one;
    it is not sent before ``not_before``.
    """

    run_id: str
    pipeline: str
    day: date
    revision: int
    region: str
    attempt: int
    status: RunStatus
    trace_id: str
    queued_at: datetime
    executed_by: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    digest: str | None = None
    winner: bool = False
    error_class: str | None = None
    error: str | None = None
    error_rule: str | None = None
    assigned: str | None = None
    cause: Cause = Cause.ASKED
    follows: str | None = None
    not_before: datetime | None = None
    stages: tuple[StageRun, ...] = ()

    @property
    def version(self) -> str:
        """The 8 hex digits of the code version, as they stand in the run id."""
        return self.run_id.partition(".")[0][-8:]

    @property
    def is_new(self) -> bool:
        """Whether it waits to begin, and does not go on with what its lane has begun: a drained one leaves it."""
        return self.status is RunStatus.QUEUED and self.cause not in (Cause.LOST, Cause.RERUN)

    @property
    def lane_region(self) -> str:
        """The region whose lane gets its messages."""
        return self.assigned or self.region


@dataclass(frozen=True, kw_only=True)
class RunHead(Record):
    """What a list shows of a run."""

    run_id: str
    region: str
    status: RunStatus
    ended: datetime | None
    error_class: str | None


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """The one result of a sealed day: the first run whose own verify succeeded."""

    pipeline: str
    day: date
    revision: int
    digest: str
    run_id: str
    region: str
    decided_at: datetime


class OwedState(StrEnum):
    """Where an owed row stands."""

    DUE = "due"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Owed(Record):
    """Something that must happen once and is looked for until it has: a cross-verification, for example."""

    kind: str
    key: str
    region: str
    state: OwedState
    created: datetime
    payload: Mapping[str, Any]
    tries: int = 0
    not_before: datetime | None = None
    detail: str | None = None
    done_by: str | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TickState(Record):
    """The latest slot of one schedule entry in one region."""

    entry: str
    region: str
    slot: int
    started: datetime
    ended: datetime | None = None
    outcome: str | None = None
