"""Kombu's Redis transport, mended: a broker that dies under running work must not take the consumer with it."""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that says so when its connection has gone.

    After a lost connection, kombu gives back what is not acknowledged through a channel that has no connection any
    more, and fails with an AttributeError. Nobody takes that for a lost connection: the consumer ends for good, and
    the worker lives on deaf until its last task is over.
    """

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if self.connection.client is None:
            raise RedisConnectionError("the connection to the broker has gone")
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[no-untyped-call]
        return parameters


class Transport(redis.Transport):
    """The transport of ``redis://``, ``rediss://`` and ``redis+socket://``."""

    Channel = Channel


def install() -> None:
    """Let kombu use it for Redis in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
