"""For a loop that asks: `lumen web` gives it the rules, and tells us what it has."""

from __future__ import annotations

from collections.abc import Mapping

from lumen_workers.domain.records import RuleEvent


class PollActuator:
    """``poll``: nothing is sent; the acknowledgement comes by the web interface (``web/rules.py``)."""

    name: str = "poll"

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> None:
        """The loop will ask."""

    def acknowledged(self, loop: str, event: RuleEvent) -> None:
        """What it acknowledged was noted when it did."""
