"""The dispatcher on Celery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from celery import Celery
from kombu.exceptions import ChannelError, EncodeError, OperationalError
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from lumen_workers.adapters.queue.waiting import SENT
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import LumenError, NetworkError, TokenExpired


def headers(trace_id: str) -> dict[str, str]:
    """What every message of ours says of itself to whoever watches."""
    return {"lumen_trace_id": trace_id, SENT: iso(datetime.now(UTC))}


REFUSALS: Final = (AuthenticationError, NoPermissionError)


class CeleryDispatcher:
    """Port ``Dispatcher``: queue ``<region>.<lane>``; the trace id is among the keywords and in the headers."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, task: str, *, region: str, lane: str, payload: Mapping[str, Any], trace_id: str) -> None:
        try:
            self._app.send_task(
                task,
                kwargs={**payload, "trace_id": trace_id},
                queue=f"{region}.{lane}",
                headers=headers(trace_id),
                retry=True,
                retry_policy={"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 1},
            )
        except EncodeError as error:
            # Signing asks the store for the time.
            if isinstance(error.args[0], LumenError):
                raise error.args[0] from None
            raise
        except (OperationalError, OSError, RedisError) as error:
            if isinstance(error, REFUSALS) or isinstance(error.__cause__, REFUSALS):
                raise TokenExpired(
                    f"the broker refuses us {task} for {region}.{lane}: {error}; correct user and password in "
                    "LUMEN_BROKER_URL, or what its access list lets this user do"
                ) from error
            raise NetworkError(f"the broker did not take {task} for {region}.{lane}: {error}") from error

    def depth(self, region: str, lane: str) -> int | None:
        try:
            with self._app.connection_or_acquire() as connection:
                try:
                    queue = connection.default_channel.queue_declare(f"{region}.{lane}", passive=True)
                    return int(queue.message_count)
                except ChannelError:
                    return 0  # nobody has declared it: nothing waits
                except connection.connection_errors:
                    return None
        except (OperationalError, OSError, RedisError):
            return None
