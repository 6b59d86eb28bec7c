"""What a process's log looks like: one line a task, with region, lane and the trace id of the work."""

from __future__ import annotations

import json
import logging
import time
from contextvars import ContextVar
from datetime import UTC, datetime

from lumen_workers.domain.clock import iso

trace: ContextVar[str | None] = ContextVar("trace", default=None)
"""The trace id of the message that this thread works on."""

# Celery's lines on every message ("received", "succeeded in …") say what ours says.
_QUIET = ("celery.worker.strategy", "celery.app.trace", "alembic")


class Line(logging.Formatter):
    """``2026-01-31T00:05:00.123Z INFO us-west-2/jobs 0af765…: text``, UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, place: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)s {place}%(work)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        found = trace.get()
        record.work = f" {found}" if found else ""
        return super().format(record)


class JsonLine(logging.Formatter):
    """One JSON object a line: ``ts, level, region, lane, logger, trace_id, message``; ``error`` has a traceback."""

    def __init__(self, region: str, lane: str | None) -> None:
        super().__init__()
        self._place = {"region": region, "lane": lane}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": iso(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            **self._place,
            "logger": record.name,
            "trace_id": trace.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(logger: logging.Logger, level: int, region: str, lane: str | None, form: str = "pretty") -> None:
    """Give the root logger's handlers our lines (``form``: pretty or json); what others say at INFO shows at DEBUG."""
    for handler in logger.handlers:
        pretty = Line(f"{region}/{lane}" if lane else region)
        handler.setFormatter(JsonLine(region, lane) if form == "json" else pretty)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else logging.WARNING)
