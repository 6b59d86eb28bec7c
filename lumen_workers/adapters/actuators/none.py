"""For a loop that needs no telling: it reads its rules from the store itself, as the plant does, or is imported."""

from __future__ import annotations

from collections.abc import Mapping

from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import RuleEvent


class NoneActuator:
    """``none``: an event counts as applied at once."""

    name: str = "none"

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack:  # noqa: ARG002
        """Nothing to do."""
        return Ack()

    def acknowledged(self, loop: str, event: RuleEvent) -> Ack:  # noqa: ARG002
        """It has."""
        return Ack()
