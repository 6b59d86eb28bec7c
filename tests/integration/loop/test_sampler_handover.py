"""The sampler in real processes over one SQLite store: what SIGTERM, SIGINT and SIGKILL cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.sampler import wait_until

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.signals import period_us
from lumen_workers.loop.coverage import coverage

pytestmark = pytest.mark.deadlines

RATE = 25
PERIOD = period_us(RATE)
_ALL = (0, 2**62)

# A worker in small: a burst each second on two threads, as the schedule does it; signals as the real one gets them.
WORKER = textwrap.dedent(
    """
    import os, signal, sys, threading, time
    from pathlib import Path
    from lumen_workers.adapters.store import open_store
    from lumen_workers.domain.clock import SystemClock
    from lumen_workers.domain.records import LoopSpec
    from lumen_workers.domain.signals import Block, Reading
    from lumen_workers.loop.lane import SamplerLane

    class Same:
        host_bound = False
        def open(self, last_us): pass
        def read(self, tick_us, lateness_s): return Block.of([(tick_us, Reading(.1, .2, .3, .4))])
        def close(self): pass

    home, region = Path(sys.argv[1]), sys.argv[2]
    ended = threading.Event()
    lane = SamplerLane(
        loops=[LoopSpec(name="main", rate_hz=25, source="same")], region=region, host="here", pid=os.getpid(),
        make_source=lambda spec: Same(), store=open_store(f"sqlite:///{home}/lumen.db"), clock=SystemClock(),
        spool_dir=home / "spool", stats_dir=home / "run", handover_s=20,
    )
    def end(act):
        def handler(number, frame):
            act()
            ended.set()
        return handler
    signal.signal(signal.SIGTERM, end(lane.drain))
    signal.signal(signal.SIGINT, end(lane.stop))
    def burst():
        print(lane.burst().ending.value, flush=True)
    threads = []
    while not ended.is_set():
        threads.append(threading.Thread(target=burst))
        threads[-1].start()
        ended.wait(1)
    for thread in threads:
        thread.join()
    """
)


@dataclass
class Team:
    """Workers over one home; all are gone at the end."""

    home: Path
    store: SqlStore
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, region: str = "east") -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(self.home), region]
        self.workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()))
        return self.workers[-1]

    def holder(self) -> int | None:
        """The pid of the worker that holds the loop."""
        lease = self.store.leases.get("sampler:main")
        return int(lease.holder.split("/")[2]) if lease is not None and lease.holder else None

    def samples(self) -> int:
        return self.store.samples.count("main", *_ALL)

    def sampled(self, count: int) -> None:
        """Wait until that many more samples are stored."""
        wanted = self.samples() + count
        wait_until(lambda: self.samples() >= wanted, 30)

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self.store.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path, open_store(f"sqlite:///{tmp_path}/lumen.db"))
    yield made
    made.close()


def ended(worker: subprocess.Popen[str]) -> list[str]:
    """What a worker's bursts said, when it has ended."""
    said, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0
    return said.split("\n")[:-1]


def longest_gap(team: Team) -> int:
    """Missing ticks of the longest gap."""
    gaps = coverage(team.store.samples, "main", RATE, *_ALL).gaps
    return max((missing for _, _, missing in gaps), default=0)


def test_sigterm_hands_over_live(team: Team) -> None:
    old = team.start()
    team.sampled(RATE)
    old.send_signal(signal.SIGTERM)
    new = team.start()
    said = ended(old)
    assert said[-1] == "lost"
    assert set(said[:-1]) <= {"handed over"}
    team.sampled(RATE)
    assert team.holder() == new.pid
    new.send_signal(signal.SIGINT)
    assert ended(new)[-1] == "stopped"
    # A busy machine may skip a tick now and then; a hand-over that stops the sampling costs many in a row.
    assert longest_gap(team) <= RATE // 5
    assert not list((team.home / "spool").glob("*"))
    assert json.loads((team.home / "run" / "lateness-main.json").read_text())["n"] > 0


def test_sigkill_costs_the_region_less_than_a_lease(team: Team) -> None:
    old = team.start()
    team.sampled(RATE)
    os.kill(old.pid, signal.SIGKILL)
    new = team.start()
    wait_until(lambda: team.holder() == new.pid, 30)
    team.sampled(RATE)
    new.send_signal(signal.SIGINT)
    ended(new)
    assert 0 < longest_gap(team) <= 10 * RATE


def test_sigkill_of_a_region_costs_at_most_the_lease_and_a_tick(team: Team) -> None:
    east = team.start("east")
    team.sampled(RATE)
    west = team.start("west")
    team.sampled(RATE)
    assert team.holder() == east.pid
    os.kill(east.pid, signal.SIGKILL)
    wait_until(lambda: team.holder() == west.pid, 30)
    team.sampled(RATE)
    west.send_signal(signal.SIGINT)
    assert "idle" in ended(west)
    # The lease (10 s), the next tick (1 s here), what had not been written yet (0.5 s), and a busy machine.
    assert 5 * RATE < longest_gap(team) <= 14 * RATE
