"""What the log's server tells of itself, for Prometheus."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen_workers.observability.families import gauge
from lumen_workers.trust.tlog.tree import LogFault
from lumen_workers.web.published import Promise

Look = Callable[[], Promise | None]
"""Reads the checkpoint. Raises ValueError, OSError."""

_KINDS: Final = {
    "/checkpoint": "checkpoint",
    "/trust.json": "trust",
    "/v1/log/root": "root",
    "/healthz": "health",
    "/metrics": "metrics",
}
_BELOW: Final = (("/tile/entries/", "bundle"), ("/tile/", "tile"), ("/v1/log/entry/", "entry"))
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1)


class Counts:
    """A registry of its own: requests as they are answered, the log as it is when it is scraped."""

    def __init__(self, look: Look) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Log(look))
        labels = ("kind", "status")
        self._requests = Counter("tlog_requests", "Requests answered", labels, registry=self.registry)
        about = "How long requests took"
        self._seconds = Histogram("tlog_request_seconds", about, ("kind",), registry=self.registry, buckets=_BUCKETS)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Note a request."""
        kind = kind_of(path)
        self._requests.labels(kind, str(status)).inc()
        self._seconds.labels(kind).observe(seconds)


class _Log(Collector):
    """The log's gauges. Nothing is told of a log that is not there."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        about = "1: an entry drawn at random was proven to be under the published checkpoint just now"
        try:
            promise = self._look()
        except (ValueError, OSError):
            yield from gauge("tlog_inclusion_ok", about, 0.0)
            return
        if promise is not None:
            yield from gauge("tlog_entries_total", "Entries under the published checkpoint", float(promise.size))
            yield from gauge("tlog_inclusion_ok", about, float(_included(promise)))


class Counted:
    """ASGI: counts what ``app`` answers."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._counts.count(scope["path"], status, time.perf_counter() - began)


def kind_of(path: str) -> str:
    """A label of few values for a path."""
    return _KINDS.get(path) or next((name for prefix, name in _BELOW if path.startswith(prefix)), "other")


def _included(promise: Promise) -> bool:
    try:
        if promise.size:
            promise.prove(random.randrange(promise.size), promise.size)  # noqa: S311  (a sample, no secret)
    except (LogFault, OSError):
        return False
    return True
