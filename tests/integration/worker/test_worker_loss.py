"""What is lost with a process: nothing that the store holds."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import psutil
import pytest
from support.processes import eventually, gone
from support.workers import REGION, RedisServer, System

from lumen_workers.domain.clock import to_us
from lumen_workers.domain.runs import Run, RunStatus, StageStatus
from lumen_workers.domain.signals import Block
from lumen_workers.loop.coverage import coverage

pytestmark = [pytest.mark.redis, pytest.mark.deadlines]

MakeSystem = Callable[..., System]

DAY = "2026-02-01"
MIDNIGHT = to_us(datetime(2026, 1, 31, 15, 0, tzinfo=UTC))
"""When that day began in Seoul."""


def fill_the_day(system: System) -> None:
    """The samples of twelve hours at 5 Hz: building them takes a second or more."""
    random = np.random.default_rng(1)
    system.store.loops.register("main", 5, "mock")
    for hour in range(12):
        ts = MIDNIGHT + hour * 3_600_000_000 + np.arange(18_000, dtype=np.int64) * 200_000
        system.store.samples.add("main", Block(ts=ts, values=random.random((18_000, 4)).round(6)))


def latest(system: System) -> Run | None:
    return next(iter(system.store.runs.rows()), None)


def busy(system: System, attempt: int) -> bool:
    """Whether that attempt is in the middle of a stage."""
    run = latest(system)
    return run is not None and run.attempt == attempt and any(s.status is StageStatus.RUNNING for s in run.stages)


@contextmanager
def reconciling(system: System) -> Iterator[None]:
    """What beat does: a look every second."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(1):
            system.call("lumen.reconcile")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_run_survives_the_death_of_a_child_and_of_the_whole_worker(make_system: MakeSystem) -> None:
    system = make_system(LUMEN_LEASE_S="2")
    fill_the_day(system)
    worker = system.worker()
    [child] = psutil.Process(worker.pid).children()
    system.call("lumen.daily", day=DAY)
    eventually(lambda: busy(system, 1))
    child.kill()
    with reconciling(system):
        eventually(lambda: busy(system, 2), 60)
        [child] = psutil.Process(worker.pid).children()
        worker.kill()
        worker.wait()
        eventually(lambda: gone(child.pid), 10)
        system.worker()
        eventually(lambda: (run := latest(system)) is not None and run.status is RunStatus.DONE, 90)
    runs = system.store.runs.rows()
    assert [(run.attempt, run.status) for run in runs] == [
        (3, RunStatus.DONE),
        (2, RunStatus.LOST),
        (1, RunStatus.LOST),
    ]
    assert {run.trace_id for run in runs} == {runs[0].trace_id}
    [result] = system.store.runs.results("daily")
    assert result.run_id == runs[0].run_id
    shown = system.lumen("archive", "verify", DAY)
    assert shown.returncode == 0, shown.stderr


def test_workers_end_in_order(make_system: MakeSystem) -> None:
    """SIGQUIT ends a sampler at once and gives its loops back; code 0 says that nothing was wrong."""
    system = make_system(schedule='SCHEDULE = {"sample": {"run": "sample", "every_s": 1}}')
    jobs, sampler = system.worker(), system.worker("sampler")
    system.call("lumen.sample", queue=f"{REGION}.sampler")
    eventually(lambda: system.store.samples.count("main", 0, 2**62))
    jobs.send_signal(signal.SIGINT)
    sampler.send_signal(signal.SIGQUIT)
    assert sampler.wait(timeout=30) == 0
    assert jobs.wait(timeout=30) == 0
    lease = system.store.leases.get("sampler:main")
    assert lease is not None
    assert lease.expires <= system.store.now()
    assert "stopped: main" in system.log("sampler").splitlines()[-1]


def test_a_sampler_outlives_its_broker(make_system: MakeSystem, broker: RedisServer) -> None:
    """The broker dies under a running burst: sampling goes on, and the consumer takes ticks again."""
    system = make_system(schedule='SCHEDULE = {"sample": {"run": "sample", "every_s": 1}}')
    sampler, beat = system.worker("sampler"), system.beat()
    eventually(lambda: system.log("sampler").count("handed over: main") >= 2)
    broker.stop()
    broker.start()
    before = system.log("sampler").count("handed over: main")
    eventually(lambda: system.log("sampler").count("handed over: main") >= before + 2, 40)
    assert (sampler.poll(), beat.poll()) == (None, None)
    for word in ("Unrecoverable", "CPendingDeprecationWarning"):
        assert word not in system.log("sampler"), system.log("sampler")
    beat.kill()
    beat.wait()
    sampler.send_signal(signal.SIGINT)
    assert sampler.wait(30) == 0
    found = coverage(system.store.samples, "main", 5, 0, 2**62)
    assert found.present > 5
    assert found.missing == 0


def test_a_broker_that_is_away_is_said_within_a_minute(make_system: MakeSystem) -> None:
    system = make_system()

    def enqueue(listener: socket.socket) -> subprocess.CompletedProcess[str]:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        return system.lumen("enqueue", "daily", "--day", "today", LUMEN_BROKER_URL=url)

    with socket.socket() as silent, socket.socket() as refusing, ThreadPoolExecutor() as pool:
        for listener in (silent, refusing):
            listener.bind(("127.0.0.1", 0))
        silent.listen(16)  # takes connections, and never answers
        for done in pool.map(enqueue, (silent, refusing)):
            assert done.returncode == 3, done.stderr
            [line] = done.stderr.splitlines()
            assert line.startswith(f"lumen: the broker did not take lumen.daily for {REGION}.jobs: ")
