"""What tests of sources need: loop declarations, a store with rules only, HTTP peers, waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar, cast

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec, RuleEvent, RuleSpec, RuleValue

T = TypeVar("T")

T0 = 1_790_000_000_000_000
"""A tick of every rate."""

RULES = {
    "creative_min": RuleSpec(name="creative_min", initial=0.22, min=0.0, max=1.0),
    "risk_max": RuleSpec(name="risk_max", initial=0.35, min=0.0, max=1.0),
}


def loop_spec(
    source: str, options: Mapping[str, Any] | None = None, *, name: str = "demo", rate_hz: int = 20
) -> LoopSpec:
    return LoopSpec(name=name, rate_hz=rate_hz, source=source, source_options=options or {}, rules=RULES)


def rule_event(
    seq: int, at_us: int, old: float, new: float, *, rule: str = "creative_min", applied: bool = True
) -> RuleEvent:
    """An event of the loop ``demo``, applied 0.3 s after it was recorded."""
    return RuleEvent(
        event_id=f"e{seq}",
        loop="demo",
        seq=seq,
        ts=from_us(at_us - 300_000),
        actor="test",
        rule=rule,
        old=old,
        new=new,
        applied_at=from_us(at_us) if applied else None,
    )


class RuleBook:
    """The facets of a store that sources use, in memory. ``gate`` cleared: every call blocks; ``error``: it raises."""

    def __init__(self, now: datetime | None = None) -> None:
        self.history: list[RuleEvent] = []
        self.first_us: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.starts: list[datetime | None] = []
        self._now = now or datetime.now(UTC)
        self.rules = self
        self.samples = self

    @property
    def store(self) -> Store:
        return cast(Store, self)

    def _answer(self) -> None:
        self.gate.wait(30)
        if self.error is not None:
            raise self.error

    def now(self) -> datetime:
        self._answer()
        return self._now

    def current(self, loop: str) -> dict[str, RuleValue]:
        self._answer()
        return {e.rule: RuleValue(rule=e.rule, value=e.new, event_id=e.event_id, since=e.ts) for e in self.history}

    def unapplied(self, loop: str) -> list[RuleEvent]:
        self._answer()
        return [event for event in self.history if event.applied_at is None]

    def events(self, loop: str | None = None, *, start: datetime | None = None) -> list[RuleEvent]:
        self._answer()
        self.starts.append(start)
        return [event for event in self.history if start is None or event.ts >= start]

    def span(self, loop: str) -> tuple[int, int] | None:
        self._answer()
        return None if self.first_us is None else (self.first_us, self.first_us)


@contextmanager
def http_peer(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """An HTTP server on a free loopback port: ``answer`` gets the path with the query; yields the root URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                pass  # the client has gone

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def eventually(probe: Callable[[], T], what: str, timeout_s: float = 10.0) -> T:
    """The first true answer of ``probe``; fails when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)
    return found
