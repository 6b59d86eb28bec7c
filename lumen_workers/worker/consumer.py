"""Takes messages from the broker. Whatever a message holds, it never ends the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import signals
from celery.exceptions import InvalidTaskError
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer

log = get_logger(__name__)


class LaneConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer, but every message that cannot be understood ends as one ``task_rejected`` signal.

    Celery's own acknowledges a body that it cannot decode without telling anybody, and lets one that decodes to the
    wrong shape end the worker, which gets it back at the next start.
    """

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that could not be unpacked."""
        self.on_invalid_task(None, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002  (Celery's signature)
        """Take it off the queue for good, and tell."""
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """What is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        broken = (*self.connection_errors, *self.channel_errors)

        def guarded(message: Any) -> None:
            try:
                check(message)
                handle(message)
            except broken:
                raise
            except Exception as error:  # noqa: BLE001  (Celery reads headers that anybody may have written)
                self.on_invalid_task(None, message, error)

        return guarded


def check(message: Any) -> None:
    """Raise what is wrong with a message's form: a task name and an id, ``[args, kwargs, …]`` as JSON."""
    for header in ("task", "id"):
        if not isinstance(message.headers.get(header), str):
            raise InvalidTaskError(f"no header {header!r}")
    match message.payload:
        case [list(), dict(), dict() | None]:
            return
    raise InvalidTaskError("the body is not a list of arguments, keyword arguments and embedded options")
