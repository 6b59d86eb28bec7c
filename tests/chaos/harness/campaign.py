"""Runs events on one system after another until the time is over."""

from __future__ import annotations

import platform
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any

from chaos.harness.events import Event
from chaos.harness.invariants import violations
from chaos.harness.record import Record
from chaos.harness.system import LOOPS, RATE_HZ, SetUp, System
from chaos.harness.trial import Trial
from chaos.harness.watches import Epochs, Samples, orphans

from lumen_workers.domain.clock import SystemClock, iso
from lumen_workers.engine.outbox import HOLD

FIRST_DAY = date(2024, 1, 1)
QUIET_S = 150.0
"""A day that is not at its end so long after an event is a violation."""

SAMPLE_LEASE_S = 10
"""What a sampler's loss may cost: one lease of the default length."""

SLOW_S = 15
"""What took longer to recover is told with its course."""

HEALTHY_S = 75
"""After a life of a minute a process counts as new: the supervisor starts it again after a second."""


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"chaos: {text}\n")
    sys.stderr.flush()


class Campaign:
    """One system and the runs on it. ``close`` ends the system."""

    def __init__(self, set_up: SetUp, record: Record, seed: int) -> None:
        self.set_up = set_up
        self._record = record
        self._seed = seed
        self._days = 0
        self._killed: dict[str, float] = {}
        self._late: list[tuple[int, str, date, float]] = []
        began = time.monotonic()
        self.system = System(set_up)
        try:
            self.system.start()
        except BaseException:
            say("\n".join([*self.system.unwell(), *(region.log() for region in self.system.regions.values())]))
            self.system.close()
            raise
        self._epochs = Epochs()
        self._samples = Samples(self.system.store, dict.fromkeys(LOOPS, RATE_HZ))
        self._versions = versions(self.system)
        say(f"set-up {set_up.name} is at work after {time.monotonic() - began:.0f} s")

    def may(self, event: Event) -> bool:
        """Whether the processes that it kills have lived long enough to be started again at once."""
        return not event.kills or time.monotonic() - self._killed.get(event.kills, -HEALTHY_S) >= HEALTHY_S

    def run(self, n: int, event: Event) -> dict[str, Any]:
        """Provoke ``event`` as run number ``n``, check everything, and append the line. Returns it."""
        rng = random.Random(f"{self._seed}/{n}/{event.name}")
        day = FIRST_DAY + timedelta(days=self._days)
        self._days += 1
        started, began = iso(SystemClock().now()), time.monotonic()
        trial = Trial(system=self.system, rng=rng, day=day)
        faults: list[str] = []
        self.system.seed_day(day, rng.randrange(2**31), rng.randrange(2000, 6000))
        self._killed[event.kills] = time.monotonic()
        try:
            event.provoke(trial)
        except Exception as error:  # noqa: BLE001  (whatever it is, the run must be on record)
            faults.append(f"the event broke off: {''.join(traceback.format_exception_only(error)).strip()}")
            faults += trial.unsettled()
        faults += self._wait(trial)
        faults += violations(trial.scene(), day)
        faults += self._epochs.look(self.system.store)
        lost, missing = self._samples.look(SAMPLE_LEASE_S * event.lost_leases)
        faults += missing + orphans(self.system.regions.values())
        if trial.late():
            self._late.append((n, event.name, day, time.monotonic() + HOLD.total_seconds() + 20))
        for region in self.system.regions.values():
            region.tidy()
        recovery_s, day_s = trial.recovery()
        line = {
            "n": n,
            "seed": self._seed,
            "event": event.name,
            "set_up": self.set_up.name,
            "lease_s": self.set_up.lease_s,
            "params": trial.params,
            "started": started,
            "seconds": round(time.monotonic() - began, 1),
            "recovery_s": recovery_s,
            "day_s": day_s,
            "lost_s": lost,
            "violations": faults,
            "versions": self._versions,
        }
        self._record.append(line)
        self.look_back()
        if faults or (recovery_s or 0) > SLOW_S:
            say(f"run {n} in seconds since the hit:\n" + "\n".join(trial.timeline()))
        say(
            f"run {n} {event.name} {_shown(trial.params)}, lease {self.set_up.lease_s} s: {line['seconds']} s, "
            f"recovery {recovery_s} s, day {day_s} s, lost {max(lost.values())} s, "
            + (f"{len(faults)} VIOLATIONS\n  " + "\n  ".join(faults) if faults else "holds")
        )
        return line

    def look_back(self, *, wait: bool = False) -> None:
        """Check the days whose sends were open when they were checked first; ``wait``: until all are."""
        while self._late:
            due = [row for row in self._late if row[3] <= time.monotonic()]
            for row in due:
                n, name, day, _ = row
                self._late.remove(row)
                trial = Trial(system=self.system, rng=random.Random(0), day=day)
                faults = violations(trial.scene(), day)
                held = [s for s in self.system.store.sends.rows() if s.subject == f"daily/{day}" and s.until]
                faults += [f"late: {send.message_id} is {send.state} still" for send in held]
                if faults:
                    self._record.append({"late_of": n, "event": name, "seed": self._seed, "violations": faults})
                    say(f"run {n} {name}, looked at later: VIOLATIONS\n  " + "\n  ".join(faults))
            if not wait or not self._late:
                return
            time.sleep(1)

    def close(self) -> list[str]:
        """End the system; returns what of it is left."""
        self.system.close()
        return [f"pid {p.pid} is left" for region in self.system.regions.values() for p in region.processes()]

    def _wait(self, trial: Trial) -> list[str]:
        ends = time.monotonic() + QUIET_S
        while unsettled := trial.unsettled():
            if time.monotonic() >= ends:
                logs = "\n".join(region.log() for region in self.system.regions.values())
                say(f"not quiet after {QUIET_S:g} s: {unsettled}\n{logs}")
                return [f"not quiet after {QUIET_S:g} s: {why}" for why in unsettled]
            time.sleep(0.2)
        return []


def pick(events: Sequence[Event], lines: Sequence[dict[str, Any]], rng: random.Random) -> Event:
    """The event that has had the fewest runs for its weight; chance decides among equals."""
    had = Counter(line["event"] for line in lines if "late_of" not in line)
    return min(events, key=lambda event: (had[event.name] / event.weight, rng.random()))


def _shown(params: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in params.items())


def versions(system: System) -> dict[str, str]:
    """What was at work."""
    return {
        "lumen": version("lumen-workers"),
        "celery": version("celery"),
        "python": platform.python_version(),
        "redis": str(system.redis.client.info()["redis_version"]),
        "postgres": system.postgres.version(),
    }
