"""Where readings of a loop's surroundings come from."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from lumen_workers.domain.environment import Observed


class EnvironmentSource(Protocol):
    """Stateless: a call looks for itself, so any worker may make the next one."""

    name: str

    def observe(self, since: datetime, now: datetime) -> Observed:
        """The readings with ``since < ts <= now``. What the peer does wrong is a problem, not an error."""
