"""What a loop is told: all its rules, under the id of the newest change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumen_workers.domain.clock import iso, parse_ts
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import RuleEvent

MOST_BYTES = 16 * 1024
"""Of an acknowledgement."""


def document(loop: str, rules: Mapping[str, float], event: RuleEvent | None) -> dict[str, Any]:
    """``{loop, rules: {rule: value}, event_id, ts}``; ``ts`` is when the change was recorded, null before the first."""
    newest = (None, None) if event is None else (event.event_id, iso(event.ts))
    return {"loop": loop, "rules": dict(sorted(rules.items())), "event_id": newest[0], "ts": newest[1]}


def compact(loop: str, rules: Mapping[str, float], event: RuleEvent | None) -> bytes:
    """The document as it is sent: the same state, the same bytes."""
    return json.dumps(document(loop, rules, event), ensure_ascii=False, allow_nan=False).encode()


def read_ack(data: bytes) -> Ack | None:
    """``{"event_id": …, "applied_at": ISO 8601 or absent}``; None for anything else.

    An ``applied_at`` that cannot be read is as good as none: what counts is that the loop names the event.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("event_id"), str):
        return None
    said = found.get("applied_at")
    try:
        return Ack(event_id=found["event_id"], applied_at=parse_ts(said) if isinstance(said, str) else None)
    except (UsageError, OverflowError):
        return Ack(event_id=found["event_id"])
