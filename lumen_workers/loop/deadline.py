"""How long a loop has to acknowledge a change."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from lumen_workers.domain.records import LoopSpec

DEFAULT_S: Final = 30.0

_AT_ONCE: Final = ("file", "none")
"""They apply while they are told, and nobody but this machine can fail: a full disk is mended, and then the change is
made after all."""


def patience(spec: LoopSpec) -> timedelta | None:
    """From the moment a change is recorded, by the store's clock. None: it stays owed until the loop has it."""
    if spec.ack_within_s is not None:
        return timedelta(seconds=spec.ack_within_s)
    return None if spec.actuator.partition(":")[0] in _AT_ONCE else timedelta(seconds=DEFAULT_S)
