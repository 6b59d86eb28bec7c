"""Ways out to people and their programs."""

from __future__ import annotations

from typing import Protocol

from lumen_workers.domain.notices import Telling


class Channel(Protocol):
    """One way out, such as e-mail. One instance a process; not thread-safe."""

    name: str

    repeatable: bool
    """True: telling the same ``message_id`` twice does no harm (a log line), so a send in doubt may be sent again."""

    def tell(self, recipient: str, telling: Telling) -> None:
        """Tell one recipient; returns once the peer has taken it.

        Raises InDoubt when the peer may have taken it, and any other error only where it surely has not.
        """
