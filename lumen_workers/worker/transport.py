"""Kombu's Redis transport, mended: a broker that dies under running work must not take the consumer with it."""

from __future__ import annotations

from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as RedisConnectionError

UNACKNOWLEDGED: Final = ("unacked", "unacked_index", "unacked_mutex")


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


def unacknowledged(region: str, lane: str | None) -> dict[str, str]:
    """Transport options: where a lane keeps what it has taken and not acknowledged. Kombu's own keys are everybody's.

    So no region can touch, nor put back, what another works on; what a lane has lost, its next worker puts back.
    """
    place = f"{region}.{lane or 'other'}"
    return {f"{name}_key": f"{name}.{place}" for name in UNACKNOWLEDGED}


def install() -> None:
    """Let kombu use it for Redis in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
