"""The loop's two ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lumen_workers.domain.records import RuleEvent
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


class Actuator(Protocol):
    """How a rule's value reaches the loop."""

    name: str

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> None:
        """Make the loop use ``rules`` (all of them). Idempotent. Returns when the loop has them; raises otherwise."""
