"""The gateways in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from lumen_workers.domain.gateway import Gateway, Moved, Step
from lumen_workers.domain.records import RuleSpec


class GatewayStore(Protocol):
    """One row for each loop that has a gateway; every step of it is a line of the journal."""

    def get(self, loop: str) -> Gateway | None:
        """The loop's gateway."""

    def rows(self) -> list[Gateway]:
        """All of them, by loop."""

    def move(
        self,
        loop: str,
        before: Gateway | None,
        steps: Sequence[Step],
        *,
        command: Mapping[str, Any] | None = None,
        undo: Mapping[str, RuleSpec] | None = None,
    ) -> Moved | None:
        """Take the steps, from ``before`` on, in one transaction. None: the gateway is no longer as it was ``before``.

        ``command``: the line of the control bus that asked for it. ``undo``: the loop's rules; its last automatic
        change is rolled back with the steps, unless that was done before, the rule has been changed since or what it
        was is not allowed any more. Raises NotFound for an unknown loop.
        """
