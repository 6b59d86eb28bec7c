"""Takes messages from the broker. Whatever a message holds, it never ends the worker."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.exceptions import CPendingDeprecationWarning, InvalidTaskError
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from kombu.exceptions import ContentDisallowed, DecodeError

from lumen_workers.pipelines.tasks import TASKS
from lumen_workers.worker import signed
from lumen_workers.worker.refusal import Refusal, Refused
from lumen_workers.worker.signed import CONTENT_TYPE, NAME, Claims

log = get_logger(__name__)


class LaneConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer, but every message that cannot be understood ends as one ``task_rejected`` signal.

    Celery's own acknowledges a body that it cannot decode without telling anybody, and lets one that decodes to the
    wrong shape end the worker, which gets it back at the next start.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """The broker has gone; what runs goes on, and the consumer connects again."""
        with warnings.catch_warnings():
            # Celery means to cancel what runs by default one day, and says so each time.
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that could not be unpacked."""
        if message.content_type != CONTENT_TYPE and NAME in self.app.conf.accept_content:
            exc = Refused(Refusal.UNSIGNED, f"not signed: {type(exc).__name__}: {exc}")
        elif not isinstance(exc, DecodeError | ContentDisallowed):
            exc = Refused(Refusal.UNDECODABLE, f"{type(exc).__name__}: {exc}")
        self.on_invalid_task(None, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002  (Celery's signature)
        """Take it off the queue for good, and tell."""
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """What Celery calls with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        broken = (*self.connection_errors, *self.channel_errors)

        def guarded(message: Any) -> None:
            try:
                self._check(message)
                handle(message)
            except broken:
                raise
            except Exception as error:  # noqa: BLE001  (Celery reads headers that anybody may have written)
                self.on_invalid_task(None, message, error)

        return guarded

    def _check(self, message: Any) -> None:
        if NAME not in self.app.conf.accept_content:
            check(message)
            return
        if message.content_type != CONTENT_TYPE:
            raise Refused(Refusal.UNSIGNED, f"not signed: its content is {message.content_type}")
        check(message)
        signed.check(message, self.app.amqp.queues.consume_from)


def check(message: Any) -> None:
    """Raise InvalidTaskError for what no message of ours looks like.

    The body is JSON, ``[args, kwargs, embedded]``; nothing is embedded but claims that are verified, for no task here
    calls others back. The headers name a known task and an id; what else Celery reads from them has its type.
    """
    headers = message.headers
    task = headers.get("task")
    if not isinstance(task, str) or task not in TASKS:
        raise InvalidTaskError(f"unknown task {task!r}" if task else "no header 'task'")
    if not isinstance(headers.get("id"), str):
        raise InvalidTaskError("no header 'id'")
    for header, kind in (("retries", int), ("shadow", str), ("group", str), ("argsrepr", str), ("kwargsrepr", str)):
        if not isinstance(headers.get(header), kind | None):
            raise InvalidTaskError(f"header {header!r} is {headers[header]!r}")
    match headers.get("timelimit"):
        case None | [int() | float() | None, int() | float() | None]:
            pass
        case limits:
            raise InvalidTaskError(f"header 'timelimit' is {limits!r}")
    match message.payload:
        case [list(), dict() as kwargs, dict() | None as embedded] if not any(
            value for value in (embedded or {}).values() if not isinstance(value, Claims)
        ):
            if "self" in kwargs:  # Celery's own wrapping of a task could not pass it on
                raise InvalidTaskError("unknown argument 'self'")
        case _:
            raise InvalidTaskError("the body is not [arguments, keyword arguments, nothing else]")
