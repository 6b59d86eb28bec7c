"""Beat: plain Celery beat, except that it does not feed a lane that nobody empties."""

from __future__ import annotations

from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.utils.log import get_logger
from kombu.exceptions import ChannelError

log = get_logger(__name__)

DEPTH_CAP = 20
"""Messages that may wait in a lane. A tick looks at the clock when it runs, so a backlog is worth nothing."""


class LaneScheduler(Scheduler):  # type: ignore[misc]  # Celery ships no types
    """Keeps no state of its own: slots in the store tell what has run, so a restart or a second beat is harmless."""

    def apply_async(self, entry: ScheduleEntry, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        queue = entry.options["queue"]
        if (waiting := self._depth(queue)) >= DEPTH_CAP:
            log.warning("%s: %d messages wait in %s, not sent", entry.name, waiting, queue)
            if advance:
                self.reserve(entry)
            return None
        return super().apply_async(entry, producer=producer, advance=advance, **kwargs)

    def _depth(self, queue: str) -> int:
        try:
            return int(self.connection.default_channel.queue_declare(queue, passive=True).message_count)
        except ChannelError:
            return 0
