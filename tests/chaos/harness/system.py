"""Two regions that share nothing but store, broker and archive, as two machines would."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa
from celery import Celery
from chaos.harness.region import Region, notify_yaml
from chaos.harness.sinks import HookSink, MailSink, Received
from support.processes import eventually
from support.servers import PostgresServer
from support.workers import RedisServer

from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import day_bounds, to_us
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.domain.records import RuleEvent
from lumen_workers.domain.signals import Block
from lumen_workers.engine.requests import ask

REGIONS = ("ap-northeast-2", "us-west-2")
CLOCK_REGION = REGIONS[1]
"""The one whose clock is wrong, where the set-up says so."""

AHEAD_S = 300

ZONE = ZoneInfo("Asia/Seoul")
RATE_HZ = 5
LOOPS = {"west": REGIONS[1], "east": REGIONS[0], "free": None}
"""Sampled live: one loop of each region, and one that is nobody's."""

PAST = "past"
"""A loop of the store only; the days that are closed have its samples."""

STAND_IN_S = 15
VERSION = "c4a05c4a05c4a05c"


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """What distinguishes one system from another. ``clock``: that of ``CLOCK_REGION`` is ahead."""

    name: str
    lease_s: int
    clock: bool = False


SET_UPS = {
    s.name: s
    for s in (
        SetUp(name="short", lease_s=3),
        SetUp(name="default", lease_s=10),
        SetUp(name="clock", lease_s=3, clock=True),
    )
}


class System:
    """Servers, proxies, sinks and regions. ``start`` returns when all is at work."""

    def __init__(self, set_up: SetUp) -> None:
        self.set_up = set_up
        self.folder = Path(tempfile.mkdtemp(prefix="lumen-chaos-", dir="/tmp"))
        self.received = Received()
        self.mail, self.hook = MailSink(self.received), HookSink(self.received)
        self.redis = RedisServer()
        self.postgres = PostgresServer()
        self.redis.start()
        self.postgres.start()
        url = self.postgres.fresh_database()
        parts = sa.make_url(url)
        sockets = {
            "broker": Path(self.redis.url.removeprefix("redis+socket://")),
            "store": Path(str(parts.query["host"])) / ".s.PGSQL.5432",
        }
        self.store = open_store(url)
        self.archive = self.folder / "archive"
        self.regions = {name: Region(self.folder, name, **sockets) for name in REGIONS}
        self._app = Celery("chaos", broker=self.redis.url, set_as_current=False)
        self.dispatcher = CeleryDispatcher(self._app)
        for region in self.regions.values():
            region.configure(self._env(region, str(parts.database)), self._files())
        if set_up.clock:
            self.regions[CLOCK_REGION].set_clock(AHEAD_S)

    @property
    def pins(self) -> Mapping[str, str]:
        """Every region's key."""
        return {region.name: region.fingerprint for region in self.regions.values()}

    @property
    def roots(self) -> tuple[str, ...]:
        """Every region's root: each home has made one of its own."""
        return tuple(region.root for region in self.regions.values())

    def start(self) -> None:
        """Start both regions and wait until they work."""
        self.store.loops.register(PAST, RATE_HZ, "mock")
        for region in self.regions.values():
            region.start()
        eventually(lambda: not self.unwell(), 180)

    def unwell(self) -> list[str]:
        """What keeps the system from being at work, in words; empty: all is well."""
        found: list[str] = []
        now = self.store.now()
        beats = {(pulse.region, pulse.lane): pulse.seen for pulse in self.store.pulses.rows()}
        looks = {state.region: state.started for state in self.store.ticks.states() if state.entry == "reconcile"}
        for region in self.regions.values():
            state = region.state()
            rows = {row.name: row.status for row in state.processes} if state else {}
            for lane in ("sampler", "jobs", "beat"):
                if rows.get(f"{region.name}/{lane}") != "running":
                    found.append(f"{region.name}: {lane} is {rows.get(f'{region.name}/{lane}', 'down')}")
                if now - beats.get((region.name, lane), datetime.min.replace(tzinfo=now.tzinfo)) > timedelta(seconds=9):
                    found.append(f"{region.name}: {lane} gives no sign of life")
            if region.name not in looks or now - looks[region.name] > timedelta(seconds=11):
                found.append(f"{region.name}: no reconcile tick")
        for loop in LOOPS:
            span = self.store.samples.tail(loop, 1)
            if not len(span) or to_us(now) - int(span.ts[-1]) > 3_000_000:
                found.append(f"loop {loop} is not sampled")
        return found

    def seed_day(self, day: date, seed: int, samples: int) -> None:
        """Write the day's samples and a few rule changes, in bulk."""
        random = np.random.default_rng(seed)
        start, _ = day_bounds(day, ZONE)
        ts = to_us(start) + np.arange(samples, dtype=np.int64) * (1_000_000 // RATE_HZ)
        self.store.samples.add(PAST, Block(ts, random.random((samples, 4)).round(6)))
        changes = [
            RuleEvent(
                event_id=f"ev-{day}-{n}",
                loop=PAST,
                seq=0,
                ts=start + timedelta(seconds=60 + 60 * n),
                applied_at=start + timedelta(seconds=60 + 60 * n),
                actor="Sena",
                rule="risk_max",
                old=round(0.3 + n / 100, 2),
                new=round(0.31 + n / 100, 2),
            )
            for n in range(4)
        ]
        self.store.rules.insert(changes)

    def ask(self, day: date, region: str) -> str:
        """Ask a region for the day, as `lumen enqueue daily` does; returns the trace id."""
        trace_id = new_trace_id()
        ask(self.store, self.dispatcher, "daily", day, region=region, trace_id=trace_id)
        return trace_id

    def send(self, task: str, region: str, payload: Mapping[str, Any], trace_id: str) -> None:
        """A message for a region's jobs lane, as the product would send it."""
        self.dispatcher.send(task, region=region, lane="jobs", payload=payload, trace_id=trace_id)

    def close(self) -> None:
        """End everything that was started, and remove its folder."""
        for region in self.regions.values():
            region.close()
        self.store.close()
        self._app.close()
        self.redis.close()
        self.postgres.close()
        self.mail.close()
        self.hook.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _env(self, region: Region, database: str) -> dict[str, str]:
        return {
            "LUMEN_STORE_URL": f"postgresql+psycopg://lumen@127.0.0.1:{region.store.port}/{database}",
            "LUMEN_ARCHIVE": str(self.archive),
            "LUMEN_LEASE_S": str(self.set_up.lease_s),
            "LUMEN_PIPELINE_VERSION": VERSION,
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.mail.port),
            "SMTP_FROM": "lumen@chaos.test",
        }

    def _files(self) -> dict[str, str]:
        loops = {
            name: {"source": "mock", "rate_hz": RATE_HZ} | ({"region": home} if home else {})
            for name, home in LOOPS.items()
        }
        lumen = {
            "regions": list(REGIONS),
            "peers": dict(self.pins),
            "roots": list(self.roots),
            "stand_in": {"after_s": STAND_IN_S},
        }
        return {
            "lumen.yaml": json.dumps(lumen),
            "loops.yaml": json.dumps({"loops": loops}),
            "notify.yaml": notify_yaml(self.hook.port),
        }
