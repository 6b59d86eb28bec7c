"""A channel that keeps what it is told, for tests and simulations."""

from __future__ import annotations

from collections import deque

from lumen_workers.domain.errors import InDoubt
from lumen_workers.domain.notices import Telling


class MemoryChannel:
    """Keeps everything in ``told``; ``fail_next`` scripts what goes wrong."""

    def __init__(self, name: str = "memory", *, repeatable: bool = False) -> None:
        self.name = name
        self.repeatable = repeatable
        self.told: list[tuple[str, Telling]] = []
        self._faults: deque[tuple[Exception, bool]] = deque()

    def fail_next(self, error: Exception, *, taken: bool = False) -> None:
        """The next telling without a fault yet raises ``error``; ``taken``: its peer has it all the same (InDoubt)."""
        if taken and not isinstance(error, InDoubt):
            raise ValueError("what was taken raises InDoubt: any other error says that it was not")
        self._faults.append((error, taken))

    def tell(self, recipient: str, telling: Telling) -> None:
        """Keep it, or raise what was scripted."""
        error, taken = self._faults.popleft() if self._faults else (None, True)
        if taken:
            self.told.append((recipient, telling))
        if error is not None:
            raise error
