"""The sampler at 5 Hz with every core busy, while its worker processes are replaced: missing ticks and lateness.

    python benchmarks/sampler.py [--seconds 600] [--idle]

One region of ``lumen run``, less Flower: a private Redis, a beat, a jobs worker and sampler workers, on a fresh home
with SQLite; loops ``main`` (this host) and ``demo`` (the plant). Beside them one endless loop for each core, at the
same priority as the sampler (``--idle``: none). Three things happen, at a quarter, half and three quarters of the time:

- ``sigterm``: a second worker was started, and the one that holds the loops gets SIGTERM;
- ``sigkill``: again there are two, and the one that holds the loops gets SIGKILL;
- ``sigkill_restart``: the only worker gets SIGKILL, and is started again a second later, as ``lumen run`` does.

``missing`` counts ticks without a sample within EVENT_S after each (and 2 s before: what was not yet written), and
``elsewhere``. Lateness of ``main`` is that of every stored sample (its phase_diff is the lateness as a share of the
period); ``quiet`` leaves out EVENT_S after each event and each start of a worker. Lateness of ``demo`` is what the
workers reported, one row for each time that a worker took the loop over.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine
from numpy.typing import NDArray

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import LumenError
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.local.broker import resolve_broker
from lumen_workers.local.process import Child, ProcessSpec, RestartPolicy
from lumen_workers.local.system import system_specs
from lumen_workers.loop.claim import lease_name
from lumen_workers.loop.coverage import coverage

REGION = "ap-northeast-2"
RATE_HZ = 5
LOOPS = ("main", "demo")
LEASE_S = 10
EVENT_S = 30
BEFORE_S = 2
LEAD_S = 15.0
"""How long before an event the successor is started."""
BACKOFF_S = 1.0
START_S = 90.0


class Lane:
    """The region's processes."""

    def __init__(self, home: Path, idle: bool) -> None:
        self.home = home
        self.store: SqlStore = open_store(f"sqlite:///{home / 'lumen.db'}")
        specs = system_specs(
            home=home,
            regions=(REGION,),
            broker=resolve_broker(None, home),
            env={"LUMEN_REGIONS": REGION, "LUMEN_LEASE_S": str(LEASE_S)},
            flower_port=None,
        )
        self._specs = {spec.name.rpartition("/")[2]: spec for spec in specs}
        self._cores = 0 if idle else len(os.sched_getaffinity(0))
        self._children: list[Child] = []
        self._lifeline, self._keep = os.pipe()
        self._samplers = 0
        self.starts: list[int] = []
        self.reports: dict[tuple[str, str], dict[str, Any]] = {}

    def start(self) -> None:
        """Everything, with one sampler worker; returns once both loops are sampled."""
        broker = self._launch(self._specs["broker"])
        self.wait(lambda: broker.spec.ready is None or broker.spec.ready())
        self._launch(self._specs["jobs"])
        self._launch(self._specs["beat"])
        self.sampler()
        self.wait(lambda: all(self._sampled(loop) for loop in LOOPS))
        for number in range(self._cores):
            self._launch(ProcessSpec(name=f"busy {number}", argv=(sys.executable, "-c", "while True: pass")))

    def sampler(self) -> None:
        """One more sampler worker."""
        self._samplers += 1
        spec = self._specs["sampler"]
        argv = [word.replace("lumen-sampler@", f"lumen-sampler{self._samplers}@") for word in spec.argv]
        self._launch(replace(spec, name=f"sampler {self._samplers}", argv=argv))
        self.starts.append(self.now())

    def holder(self) -> Child:
        """The worker that holds the loops."""
        lease = self.store.leases.get(lease_name("main"))
        assert lease is not None
        pid = int(lease.holder.split("/")[2])
        return next(child for child in self._children if child.pid == pid)

    def now(self) -> int:
        return to_us(self.store.now())

    def run_until(self, deadline: float) -> None:
        """Keep the pipes empty and the reports at hand until ``time.monotonic()`` is ``deadline``."""
        while (left := deadline - time.monotonic()) > 0:
            self._look()
            time.sleep(min(left, 0.5))

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, at most START_S."""
        deadline = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit("the region did not start; last words:\n" + "\n".join(self._last_words()))
            self._look()
            time.sleep(0.2)

    def stop_samplers(self) -> None:
        """SIGINT: they write what they have and end."""
        living = [child for child in self._children if child.spec.name.startswith("sampler") and not child.ended()]
        for child in living:
            os.kill(child.pid or 0, signal.SIGINT)
        self.wait(lambda: all(child.ended() for child in living))

    def close(self) -> None:
        """No process is left."""
        for child in reversed(self._children):
            if child.pid is not None:
                child.signal_group(signal.SIGKILL)
                child.bury(time.monotonic())
            if child.spec.clean is not None:
                child.spec.clean()
        self.store.close()
        os.close(self._lifeline)
        os.close(self._keep)

    def _launch(self, spec: ProcessSpec) -> Child:
        child = Child(spec, RestartPolicy())
        mode = "signal" if sys.platform == "linux" else "pipe"
        child.start(time.monotonic(), mode=mode, lifeline=self._lifeline)
        self._children.append(child)
        return child

    def _look(self) -> None:
        for child in self._children:
            if child.pid is not None:
                child.lines()
        for path in (self.home / "run").glob("lateness-*.json"):
            report = json.loads(path.read_text(encoding="utf-8"))
            self.reports[path.stem.removeprefix("lateness-"), report.pop("since")] = report

    def _sampled(self, loop: str) -> bool:
        try:
            return self.store.samples.span(loop) is not None
        except LumenError:
            return False

    def _last_words(self) -> list[str]:
        return [f"{child.spec.name}: {line}" for child in self._children for line in child.tail]


def measure(seconds: float, idle: bool) -> dict[str, Any]:
    """Run it, then look at what was stored."""
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as name:
        lane = Lane(Path(name), idle)
        try:
            lane.start()
            # The spinners are there from the first moment that counts.
            began_us, began = lane.now(), time.monotonic()
            events = scenario(lane, began, seconds)
            ended_us = lane.now()
            lane.stop_samplers()
            return {
                "seconds": round((ended_us - began_us) / US, 1),
                "cores_busy": 0 if idle else len(os.sched_getaffinity(0)),
                "lease_s": LEASE_S,
                **{loop: figures(lane, loop, began_us, ended_us, events) for loop in LOOPS},
            }
        finally:
            lane.close()


def scenario(lane: Lane, began: float, seconds: float) -> dict[str, int]:
    """The three events; name → when, µs."""
    lead = min(LEAD_S, seconds / 8)
    events = {}
    for share, name, number in ((0.25, "sigterm", signal.SIGTERM), (0.5, "sigkill", signal.SIGKILL)):
        lane.run_until(began + share * seconds - lead)
        lane.sampler()
        lane.run_until(began + share * seconds)
        events[name] = strike(lane, number)
    lane.run_until(began + 0.75 * seconds)
    events["sigkill_restart"] = strike(lane, signal.SIGKILL)
    lane.run_until(time.monotonic() + BACKOFF_S)
    lane.sampler()
    lane.run_until(began + seconds)
    return events


def strike(lane: Lane, number: signal.Signals) -> int:
    os.kill(lane.holder().pid or 0, number)
    return lane.now()


def figures(lane: Lane, loop: str, began_us: int, ended_us: int, events: dict[str, int]) -> dict[str, Any]:
    """Missing ticks and lateness of one loop."""
    covered = coverage(lane.store.samples, loop, RATE_HZ, began_us, ended_us)
    missing = dict.fromkeys([*events, "elsewhere"], 0)
    for start_us, _, count in covered.gaps:
        near = [name for name, at in events.items() if at - BEFORE_S * US <= start_us <= at + EVENT_S * US]
        missing[near[-1] if near else "elsewhere"] += count
    out: dict[str, Any] = {"ticks": covered.expected, "missing": missing, "missing_in_all": covered.missing}
    if loop == "main":
        block = lane.store.samples.window(loop, began_us, ended_us)
        late_ms = block.values[:, SIGNALS.index("phase_diff")] * 1000 / RATE_HZ
        quiet = np.ones(len(block), np.bool_)
        for at in (*events.values(), *lane.starts):
            quiet &= (block.ts < at) | (block.ts >= at + EVENT_S * US)
        out["lateness_ms"] = percentiles(late_ms)
        out["lateness_quiet_ms"] = percentiles(late_ms[quiet])
    else:
        out["lateness_ms_by_worker"] = [report for (name, _), report in sorted(lane.reports.items()) if name == loop]
    return out


def percentiles(late_ms: NDArray[np.float64]) -> dict[str, float]:
    if not len(late_ms):
        return {"n": 0}
    p50, p99 = np.percentile(late_ms, (50, 99))
    return {"n": len(late_ms), "p50": round(p50, 3), "p99": round(p99, 3), "max": round(float(late_ms.max()), 3)}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long (default 600; at least 120)")
    parser.add_argument("--idle", action="store_true", help="keep no core busy")
    given = parser.parse_args(arguments)
    if given.seconds < 120:
        parser.error("--seconds: at least 120, so that the three events lie apart")
    print(json.dumps({"machine": machine(), "sampler": measure(given.seconds, given.idle)}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
