"""What came of a message that found its work done, or in other hands."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Fence(StrEnum):
    """Which fence held."""

    STALE_ATTEMPT = "stale_attempt"
    """Its run is final, or at a later attempt."""
    SLOT_DONE = "slot_done"
    """The entry's present slot has run."""
    LEASE_LOST = "lease_lost"
    """Another holder took the lease while it worked."""


class Fenced(str):
    """A line for the log, as every outcome is; ``fence`` tells what held the message back."""

    __slots__ = ("fence",)
    fence: Fence

    def __new__(cls, text: str, fence: Fence) -> Self:
        made = super().__new__(cls, text)
        made.fence = fence
        return made
