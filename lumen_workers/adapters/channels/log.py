"""The channel that is always there: a line of the log for programs, and a line on the console for people."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from lumen_workers.adapters.channels.text import dump, one_line, payload
from lumen_workers.domain.notices import Telling

logger = logging.getLogger("lumen.notices")

_LEVELS = {"page": logging.ERROR, "ticket": logging.WARNING}


class LogChannel:
    """Writes to the logger ``lumen.notices`` and to ``stream`` (None: standard error as it is at the time)."""

    name: str = "log"
    repeatable: bool = True

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def tell(self, recipient: str, telling: Telling) -> None:
        """Write both lines. Raises OSError where the console cannot be written, ValueError for facts beyond JSON."""
        record = dump({"recipient": recipient, "title": telling.title, **payload(telling)})
        logger.log(_LEVELS.get(telling.severity, logging.INFO), "notice %s", record)
        stream = self._stream or sys.stderr
        stream.write(f"{telling.severity}: {one_line(telling.title)}: {one_line(telling.text)}\n")
        stream.flush()
