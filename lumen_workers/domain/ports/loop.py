"""The loop's two ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lumen_workers.domain.records import Record, RuleEvent
from lumen_workers.domain.signals import Block


class Source(Protocol):
    """Where a loop's samples come from. One instance a process and loop; not thread-safe."""

    host_bound: bool
    """True: it measures the machine it runs on, so no other machine may take it over."""

    def open(self, last_us: int | None) -> None:
        """Get ready; ``last_us`` is the newest stored sample: a follower goes on behind it. Must not block for long."""

    def read(self, tick_us: int, lateness_s: float) -> Block:
        """The samples for the tick at ``tick_us``, fired ``lateness_s`` late. Never blocks: no fresh data, empty block.

        A polled source returns one row at ``tick_us``; a follower returns the rows that have come, with their own ts.
        """

    def close(self) -> None:
        """Stop threads, close files."""


@dataclass(frozen=True, kw_only=True)
class Ack(Record):
    """The loop has the rules. ``applied_at``: since when, by its own word; None: it did not say.

    ``event_id``: up to which event, where that may be an older one than the one it was told; None: that one.
    """

    applied_at: datetime | None = None
    event_id: str | None = None


class Actuator(Protocol):
    """How a rule's value reaches the loop.

    What is told is the whole state, under the id of its newest event: an acknowledgement of an event covers every
    event before it. Either the loop acknowledges while it is told (a file, a webhook), or later, by a way of its own
    (it polls, it sets a key).
    """

    name: str

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack | None:
        """Tell the loop ``rules`` (all of them); ``event`` is their newest. Idempotent: it may be told again.

        Returns the acknowledgement, None where it is still to come; raises where the loop could not be told.
        """

    def acknowledged(self, loop: str, event: RuleEvent) -> Ack | None:
        """Look, without telling it again, whether the loop has acknowledged ``event`` by now. None: it has not."""
