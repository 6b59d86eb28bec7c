"""A rule that is the rate limit of a foreign app's task: what it does is measured on the worker itself."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.foreign import COUNT, NAME, foreign_worker
from support.loops import loop_spec
from support.processes import eventually
from support.webs import Web, web
from support.workers import RedisServer

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.records import EffectOptions, RuleSpec
from lumen_workers.effects.tracker import compute_due
from lumen_workers.effects.verdicts import Verdict

pytestmark = pytest.mark.redis

OPTIONS = EffectOptions(pre_s=6, post_s=6, gap_s=2, min_samples=10)
FULL = 20.0
"""Tasks a second that the signal shows as 1."""

SLOW, FAST = 4.0, 16.0


class Meter(threading.Thread):
    """Pushes the worker's throughput over the last second as ``creative_band``, five times a second."""

    def __init__(self, site: Web, server: RedisServer) -> None:
        super().__init__(daemon=True)
        self._site, self._client = site, server.client
        self.done = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self._site.url, trust_env=False) as client:
                self._measure(client)
        except Exception as error:  # noqa: BLE001 — told by the test
            self.error = error

    def _measure(self, client: httpx.Client) -> None:
        seen: deque[tuple[float, int]] = deque(maxlen=6)
        while not self.done.wait(0.2):
            seen.append((time.monotonic(), int(self._client.get(COUNT) or 0)))
            if len(seen) < 6:
                continue
            rate = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
            sample = {
                "ts": to_us(self._site.store.now()),
                "phase_diff": 0.0,
                "entropy_rate": 0.0,
                "creative_band": min(rate / FULL, 1.0),
                "risk_band": 0.0,
            }
            client.post("/v1/samples", json={"loop": "shop", "samples": [sample]}).raise_for_status()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A broker of its own: the meter must count nobody else's work."""
    made = RedisServer()
    made.start()
    yield made
    made.close()


def test_a_rule_changes_the_throughput_of_a_foreign_worker(tmp_path: Path, server: RedisServer) -> None:
    # With more than one message at hand, Celery's rate limiter itself falls behind its limit.
    with foreign_worker(server, tmp_path / "log", size=1) as app:
        _measure(tmp_path, server, app)


def _measure(tmp_path: Path, server: RedisServer, app: Any) -> None:
    spec = replace(
        loop_spec("push", name="shop", rate_hz=5),
        rules={"speed": RuleSpec(name="speed", initial=SLOW - 1, min=1, max=100)},
        actuator="celery",
        actuator_options={
            "broker_url": server.url,
            "workers": [NAME],
            "apply": {"speed": {"set": "rate_limit", "task": "foreign.work"}},
        },
    )
    with web(tmp_path, loops={"shop": spec}) as site:
        site.rules.set("shop", "speed", SLOW, actor="Sena")
        for _ in range(1000):
            app.send_task("foreign.work")
        meter = Meter(site, server)
        meter.start()
        try:
            eventually(lambda: site.store.samples.count("shop", 0, 2**62) >= 40)
            event = site.rules.set("shop", "speed", FAST, actor="Sena")
            assert event.applied_at is not None
            end = to_us(event.applied_at) + round(OPTIONS.post_s * 1e6)

            def over() -> bool:
                span = site.store.samples.span("shop")
                return span is not None and span[1] > end

            eventually(over)
        finally:
            meter.done.set()
            meter.join()
            app.control.purge()
        assert meter.error is None
        effects = {e.event_id: e for e in compute_due(site.store, "shop", OPTIONS, site.store.now())}
        signal = effects[event.event_id].signals["creative_band"]
        assert signal.pre == pytest.approx(SLOW / FULL, rel=0.25)
        assert signal.post == pytest.approx(FAST / FULL, rel=0.25)
        assert signal.verdict == Verdict.IMPROVED
        assert signal.lo is not None
        assert signal.lo > 0.3
