"""What waits in the lanes, seen from outside: for the exporter and for `lumen status`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lumen_workers.config import Settings
from lumen_workers.observability.view import Depths

if TYPE_CHECKING:
    from lumen_workers.adapters.queue.waiting import WaitingLanes

LANES: Final = ("sampler", "jobs")
_TIMEOUT_S: Final = 2


def depths(settings: Settings, *, senders_clock: bool = False) -> Callable[[], Depths | None]:
    """Asks the broker at each call; None where there is none, or it does not answer. kombu is imported when asked.

    ``senders_clock``: at the first look an age is told by the time that the sender noted, which its clock may have
    wrong; else it is unknown then.
    """

    def connect() -> Any:
        from kombu import connection

        make: Any = connection.Connection  # kombu has half of its types
        url = settings.broker_url
        if url is None:
            return None
        quick = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
        return make(url, ssl=settings.broker_tls or False, transport_options=quick)

    @functools.cache
    def lanes() -> WaitingLanes:
        from lumen_workers.adapters.queue.waiting import WaitingLanes

        names = [(region, lane) for region in settings.regions for lane in LANES]
        return WaitingLanes(connect, names, senders_clock=senders_clock)

    return lambda: lanes()() if settings.broker_url is not None else None
