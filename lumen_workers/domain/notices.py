"""What is told to people: alarms and letters, and the outbox that carries alarms and the day's report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.records import Record


@dataclass(frozen=True, kw_only=True)
class Alarm(Record):
    """Something a person must look at, once for each key while it stands.

    ``occurrence`` counts how often it has come up anew after it was resolved. ``facts`` (run, region, stage, class …)
    are JSON values. ``routed_at``: when the outbox took it over.
    """

    key: str
    kind: str
    severity: AlarmSeverity
    ts: datetime
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str | None = None
    occurrence: int = 1
    routed_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None


class LetterState(StrEnum):
    """What became of a letter."""

    KEPT = "kept"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class Letter(Record):
    """A message that will not be done by itself: refused, not understood, or out of reruns. ``payload`` is JSON."""

    letter_id: str
    ts: datetime
    task: str
    region: str
    reason: str
    payload: str
    trace_id: str | None = None
    state: LetterState = LetterState.KEPT
    handled_by: str | None = None
    handled_at: datetime | None = None


class SendState(StrEnum):
    """Where a send stands. ``in_doubt``: it was begun and its end is unknown; it is never sent again by itself."""

    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Send(Record):
    """One thing to tell one recipient, once. ``message_id`` is stable: the same subject and recipient, the same id.

    ``kind`` is ``alarm`` or ``report``; ``subject`` the alarm's key or ``pipeline/day/rN``; ``channel`` and
    ``recipient`` name the way out, as the configuration does. ``payload`` is what was to be told when it was written.
    """

    message_id: str
    kind: str
    subject: str
    channel: str
    recipient: str
    payload: Mapping[str, Any]
    state: SendState
    created: datetime
    tries: int = 0
    not_before: datetime | None = None
    holder: str | None = None
    until: datetime | None = None
    sent_at: datetime | None = None
    sent_by: str | None = None
    detail: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Telling(Record):
    """What a channel is given. ``severity``: page, ticket or info. ``facts`` are JSON values for programs."""

    message_id: str
    title: str
    text: str
    severity: str
    ts: datetime
    trace_id: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[Path, ...] = ()
