"""What a telling looks like in a channel's own form."""

from __future__ import annotations

import json
from typing import Any

from lumen_workers.domain.clock import iso
from lumen_workers.domain.notices import Telling


def payload(telling: Telling) -> dict[str, Any]:
    """A telling for programs; attachments by name only."""
    return {
        "message_id": telling.message_id,
        "severity": telling.severity,
        "text": telling.text,
        "ts": iso(telling.ts),
        "trace_id": telling.trace_id,
        "facts": dict(telling.facts),
        "attachments": [path.name for path in telling.attachments],
    }


def dump(value: Any) -> str:
    """JSON on one line; the same value, the same text. Raises ValueError for NaN and infinity."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def one_line(text: str) -> str:
    """``text`` without line breaks and other control characters, which could fake a line of a log."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
