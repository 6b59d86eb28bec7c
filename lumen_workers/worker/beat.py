"""Beat: plain Celery beat, which agrees with the slots and does not feed a lane that nobody empties."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import BaseSchedule, schedstate, schedule
from celery.utils.log import get_logger
from kombu.exceptions import ChannelError, OperationalError

from lumen_workers.adapters.queue.celery import headers
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.engine.schedule import Entry

log = get_logger(__name__)

DEPTH_CAP = 20
"""Messages that may wait in a lane. A tick looks at the clock when it runs, so a backlog is worth nothing."""


class CronSchedule(BaseSchedule):  # type: ignore[misc]  # Celery ships no types
    """A cron entry, due when its slots say so: Celery's own crontab reads some expressions otherwise."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.entry = entry

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Whether a slot has begun since ``last_run_at``, and the seconds until the next."""
        now: datetime = self.now()
        due = self.entry.due_before(now) > last_run_at
        return schedstate(due, (self.entry.due_after(now) - now).total_seconds())  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<cron: {self.entry.cadence}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CronSchedule) and other.entry == self.entry

    __hash__ = None  # type: ignore[assignment]


class LaneScheduler(Scheduler):  # type: ignore[misc]
    """Keeps no state of its own: slots in the store tell what has run, so a restart or a second beat is harmless."""

    def setup_schedule(self) -> None:
        """Make what recurs due at once: a beat that starts has nothing to wait for."""
        super().setup_schedule()
        for entry in self.schedule.values():
            if isinstance(entry.schedule, schedule):
                entry.last_run_at -= entry.schedule.run_every

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send ``entry`` unless its lane is full. What cannot be sent is not sent later: the next slot comes anyway."""
        queue = entry.options["queue"]
        known = self.connection.connection_errors + self.connection.channel_errors
        away = (*known, OSError, OperationalError, SchedulingError)
        try:
            if (waiting := self._depth(queue)) >= DEPTH_CAP:
                log.warning("%s: %d messages wait in %s, not sent", entry.name, waiting, queue)
                return
            # Each firing has a trace of its own: in the message for its work, in the header for whoever watches.
            trace_id = new_trace_id()
            entry.kwargs = {"trace_id": trace_id}
            entry.options = {**entry.options, "headers": headers(trace_id)}
            self.apply_async(entry, producer=producer, advance=False)
        except away as error:
            log.error("%s: not sent: %s", entry.name, error)
        else:
            log.info("%s sent to %s, trace %s", entry.name, queue, trace_id)

    def _depth(self, queue: str) -> int:
        try:
            return int(self.connection.default_channel.queue_declare(queue, passive=True).message_count)
        except ChannelError:
            return 0
