"""How many messages wait in the lanes, and for how long, seen from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from kombu.connection import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

SENT: Final = "lumen_sent"
"""The header in which a sender notes when it sent, by its own clock: for people to look at; nothing rests on it."""

WATCHED: Final = 500
"""How many of a lane's oldest messages are told apart."""


class WaitingLanes:
    """Looks into Redis's lists. Not thread-safe.

    A message says nothing of when it was sent, and another machine's clock could not be relied upon: how long it has
    waited is counted from when it was first seen here, by this process's own clock. So an age is right to the time
    between two looks, and unknown at the first one; with ``senders_clock`` it is then told by what the sender noted.
    ``connect`` makes a connection that has not been opened.
    """

    def __init__(
        self,
        connect: Callable[[], Connection | None],
        lanes: Iterable[tuple[str, str]],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        senders_clock: bool = False,
    ) -> None:
        self._connect = connect
        self._lanes = tuple(lanes)
        self._monotonic = monotonic
        self._senders_clock = senders_clock
        self._connection: Any = None  # kombu has half of its types
        self._client: Any = None
        self._seen: dict[tuple[str, str], dict[int, float]] = {}

    def __call__(self) -> Mapping[tuple[str, str], tuple[int, float | None]] | None:
        """(region, lane) → messages that wait, and the oldest one's age in seconds; None: the broker does not answer.

        An age that this user of the broker may not ask for (LRANGE) is None; a lane that it may not count is left out.
        """
        try:
            answers = iter(self._ask())
        except (RedisError, KombuError, OSError):
            self.close()
            return None
        now = self._monotonic()
        found = {}
        for lane, depth, oldest in zip(self._lanes, answers, answers, strict=True):
            if isinstance(depth, int):
                found[lane] = depth, self._age(lane, oldest, now) if isinstance(oldest, list) else None
        return found

    def close(self) -> None:
        """Drop the connection; the next look makes a new one."""
        if self._connection is not None:
            with suppress(RedisError, KombuError, OSError):
                self._connection.release()
        self._connection = self._client = None

    def _ask(self) -> list[Any]:
        if self._client is None:
            self._connection = self._connect()
            if self._connection is None:
                raise KombuError("no broker is known")
            self._connection.connect()  # tries once, where `default_channel` would try for ever
            self._client = self._connection.channel().client
        pipe = self._client.pipeline(transaction=False)
        for region, lane in self._lanes:
            pipe.llen(f"{region}.{lane}")
            pipe.lrange(f"{region}.{lane}", -WATCHED, -1)
        answers: list[Any] = pipe.execute(raise_on_error=False)
        return answers

    def _age(self, lane: tuple[str, str], waiting: list[bytes], now: float) -> float | None:
        """Messages come in at the head; the last one of ``waiting`` is the oldest."""
        before = self._seen.get(lane)
        ids = [hash(message) for message in waiting]
        self._seen[lane] = {found: (before or {}).get(found, now) for found in ids}
        if not ids:
            return 0.0
        if before is None:
            return _noted_age(waiting[-1]) if self._senders_clock else None
        return now - self._seen[lane][ids[-1]]


def _noted_age(message: bytes) -> float | None:
    """Seconds since the sender noted that it sent the message; None where it noted nothing that can be read."""
    try:
        sent = datetime.fromisoformat(json.loads(message)["headers"][SENT])
        return max(0.0, (datetime.now(UTC) - sent).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None
