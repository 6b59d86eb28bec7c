"""One run of the suite: a fresh day, one event, and the wait until all is quiet again."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from chaos.harness.invariants import PIPELINE, Scene
from chaos.harness.region import Region
from chaos.harness.system import System
from support.proxy import Proxy

from lumen_workers.domain.errors import StoreUnavailable
from lumen_workers.domain.notices import Send, SendState
from lumen_workers.domain.runs import OwedState, RunStatus
from lumen_workers.engine.flow import CROSS_VERIFY
from lumen_workers.engine.outbox import HOLD
from lumen_workers.engine.requests import REQUEST

READERS = ("mail", "hook")
ENDED = (RunStatus.DONE, RunStatus.SUPERSEDED, RunStatus.FAILED)
HELD = timedelta(seconds=20)
"""A send that has been held for longer than this is left to a later look: its end is known after three minutes."""


@dataclass(kw_only=True)
class Trial:
    """What an event works with. ``params`` are what chance decided; ``hit_at`` is when recovery begins to count."""

    system: System
    rng: random.Random
    day: date
    params: dict[str, Any] = field(default_factory=dict)
    hit_at: datetime | None = None
    hit_region: str | None = None
    recovery_s: float | None = None

    def __post_init__(self) -> None:
        names = list(self.system.regions)
        self.rng.shuffle(names)
        self.suffer(names[0])

    def suffer(self, name: str) -> None:
        """The region that is to suffer."""
        self.victim: Region = self.system.regions[name]
        self.other: Region = next(r for r in self.system.regions.values() if r is not self.victim)
        self.params["victim"] = name

    def choose(self, name: str, values: tuple[Any, ...]) -> Any:
        """One of ``values`` by chance, noted under ``name``."""
        self.params[name] = self.rng.choice(values)
        return self.params[name]

    def draw(self, name: str, low: float, high: float) -> float:
        """A number by chance, noted under ``name``."""
        self.params[name] = round(self.rng.uniform(low, high), 3)
        return float(self.params[name])

    def moment(self, longest_s: float = 1.5) -> None:
        """Let a random time pass: the event comes at a random place of the pipeline."""
        time.sleep(self.draw("after_s", 0, longest_s))

    def ask(self, *, both: bool | None = None) -> None:
        """Ask for the day: both regions, or (by chance, unless it is said) the one that is to suffer only."""
        asked = both if both is not None else self.rng.random() < 0.75
        self.params["asked"] = "both" if asked else "victim"
        for region in self.system.regions.values() if asked else [self.victim]:
            self.system.ask(self.day, region.name)

    def hit(self, region: Region | None = None) -> None:
        """From now on recovery counts: that of the region's run, or of the victim's."""
        self.hit_at = self.system.store.now()
        self.hit_region = (region or self.victim).name

    def kill(self, region: Region, lane: str) -> None:
        """SIGKILL of a lane's main process."""
        pid = region.pid(lane)
        assert pid is not None, f"{region.name} has no {lane}"
        os.kill(pid, signal.SIGKILL)

    def way(self, name: str) -> Proxy:
        """The victim's way to ``broker`` or ``store``."""
        return {"broker": self.victim.broker, "store": self.victim.store}[name]

    def scene(self) -> Scene:
        """What the invariants look at."""
        system = self.system
        return Scene(
            store=system.store,
            archive=system.archive,
            pins=system.pins,
            roots=system.roots,
            received=system.received.counts(),
            readers=READERS,
        )

    def unsettled(self) -> list[str]:
        """Why the day is not yet at its end, in words; empty: all is quiet."""
        store = self.system.store
        try:
            # First who has no follower, then who is open: the other way round a follower that comes between is missed.
            forsaken = store.runs.forsaken(store.now() - timedelta(days=1))
            runs = store.runs.rows(pipeline=PIPELINE, day=self.day)
            found = [f"{run.run_id} is {run.status}" for run in runs if not run.status.final]
            found += [
                f"{run.run_id} is lost and not followed"
                for run in forsaken
                if run.day == self.day and store.notices.alarm(f"lost/{run.run_id}") is None
            ]
            for row in store.owed.rows(unsettled=True):
                mine = row.kind in (REQUEST, CROSS_VERIFY) and row.payload.get("day") == self.day.isoformat()
                if mine and row.state is OwedState.DUE:
                    found.append(f"{row.kind} {row.key} is due: {row.detail}")
            for send in store.sends.rows():
                if send.state is SendState.DUE and send.tries == 0:
                    found.append(f"{send.message_id} to {send.recipient} is due")
                elif send.state is SendState.SENDING and not self._is_late(send):
                    found.append(f"{send.message_id} to {send.recipient} is being sent")
            found += [f"alarm {alarm.key} is not routed" for alarm in store.notices.unrouted()]
        except StoreUnavailable as error:
            return [f"the store is away: {error}"]
        return found or self.system.unwell()

    def late(self) -> list[str]:
        """Message ids of sends whose end is not known yet."""
        return [send.message_id for send in self.system.store.sends.rows(state=SendState.SENDING)]

    def recovery(self) -> tuple[float | None, float | None]:
        """Seconds from the hit to the region's next progress at the day, and to the day's result.

        None where nothing was left to be done at the hit.
        """
        if self.hit_at is None:
            return None, None
        store = self.system.store
        runs = {run.run_id for run in store.runs.rows(pipeline=PIPELINE, day=self.day, region=self.hit_region)}
        steps = [
            entry.ts
            for entry in store.audit.rows()
            if entry.subject in runs and entry.event in ("claimed", "done", "superseded") and entry.ts >= self.hit_at
        ]
        results = [r.decided_at for r in store.runs.results(PIPELINE, self.day) if r.decided_at >= self.hit_at]
        progress = self.recovery_s if self.recovery_s is not None else _since(self.hit_at, steps)
        return progress, _since(self.hit_at, results)

    def timeline(self) -> list[str]:
        """What the audit log says of the day, in seconds since the hit."""
        store = self.system.store
        runs = {run.run_id for run in store.runs.rows(pipeline=PIPELINE, day=self.day)}
        entries = [entry for entry in store.audit.rows() if entry.subject in runs]
        start = self.hit_at or (entries[0].ts if entries else store.now())
        return [
            f"{(entry.ts - start).total_seconds():8.2f} {entry.actor} {entry.event} {entry.subject} {entry.detail}"
            for entry in entries
        ]

    def newest(self, region: Region) -> RunStatus | None:
        """Where the region's newest attempt at the day stands."""
        runs = self.system.store.runs.rows(pipeline=PIPELINE, day=self.day, region=region.name)
        return max(runs, key=lambda run: run.attempt).status if runs else None

    def _is_late(self, send: Send) -> bool:
        return send.until is not None and self.system.store.now() - (send.until - HOLD) > HELD


def _since(start: datetime, instants: list[datetime]) -> float | None:
    return round((min(instants) - start).total_seconds(), 2) if instants else None
