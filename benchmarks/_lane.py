"""A broker and one worker over it, seen from outside: messages in, seconds and processor time out."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import psutil
from celery import Celery

from lumen_workers import config
from lumen_workers.adapters.queue.celery import CeleryDispatcher
from lumen_workers.config import Settings
from lumen_workers.worker import build

if TYPE_CHECKING:
    from support.workers import RedisServer

FOLDER: Final = Path(__file__).resolve().parent
VERSION: Final = "0badcafe" * 8
STAGING: Final = "staging"
"""Messages are put into this region's queue first, and given to the worker all at once."""

REST_S: Final = 0.1
"""A lane that has been empty for so long is."""

LOOPS: Final = "loops:\n  main: {source: mock, rate_hz: 5}\n"


@contextmanager
def broker() -> Iterator[RedisServer]:
    """A private Redis on a unix socket."""
    # The tests know how to start one.
    sys.path.append(str(FOLDER.parent / "tests"))
    from support.workers import RedisServer

    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass(frozen=True)
class Cost:
    """What a number of tasks cost a worker: seconds on the wall, and of processor by parent and child."""

    tasks: int
    wall_s: float
    parent_s: float
    child_s: float

    @property
    def wall_ms(self) -> float:
        """For each task."""
        return self.wall_s / self.tasks * 1e3

    @property
    def cpu_ms(self) -> float:
        """For each task."""
        return (self.parent_s + self.child_s) / self.tasks * 1e3


class Worker:
    """A prefork worker with one child; ``app`` is ``bare`` or ``ours``, ``region`` its queue's name before ``.jobs``.

    ``url``: how the worker reaches the broker, where that is another way than ours.
    """

    def __init__(
        self, server: RedisServer, folder: Path, app: str, region: str, *, url: str | None = None, **env: str
    ) -> None:
        self.region = region
        self.queue = f"{region}.jobs"
        self._server = server
        self._log = folder / "worker.log"
        self._busy = (self.queue, f"unacked.{self.queue}")
        configs = folder / "configs"
        configs.mkdir(parents=True)
        (configs / "loops.yaml").write_text(LOOPS)
        self._env = {
            "LUMEN_HOME": str(folder / "home"),
            "LUMEN_CONFIGS": str(configs),
            "LUMEN_REGIONS": region,
            "LUMEN_LANE": "jobs",
            "LUMEN_PIPELINE_VERSION": VERSION,
            "LUMEN_BROKER_URL": url or server.url,
            **env,
        }
        self.settings = self._settings()
        self.sender = Celery(region, set_as_current=False)
        self.sender.conf.update({**build.options(self.settings), "broker_url": server.url, "task_routes": None})
        self.dispatcher = CeleryDispatcher(self.sender)
        self._process = self._start(app, folder)
        self._parent = psutil.Process(self._process.pid)
        self.wait(lambda: " ready." in self.log(), 60)
        self._child = self._parent.children()[0]

    def _settings(self) -> Settings:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        with mock.patch.dict(os.environ, {**clean, **self._env}, clear=True):
            return config.load()

    def _start(self, app: str, folder: Path) -> subprocess.Popen[bytes]:
        from support.workers import guarded

        clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
        path = os.pathsep.join([str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [
            *(sys.executable, "-m", "celery", "-A", f"_work:{app}", "--quiet", "worker", "-Q", self.queue),
            *("-n", f"lumen-jobs@{self.region}-%h", "--pool", "prefork", "--concurrency", "1"),
            *("--without-mingle", "--without-gossip", "--task-events", "--loglevel", "INFO"),
        ]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                guarded(command), cwd=folder, env={**clean, **self._env, "PYTHONPATH": path}, stdout=log, stderr=log
            )

    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait(self, condition: Callable[[], object], timeout_s: float, pause_s: float = 0.05) -> None:
        """Wait until ``condition`` is true. Raises SystemExit when the worker ends or nothing comes of it."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the worker of {self.region} has ended or hangs:\n{self.log()[-4000:]}")
            time.sleep(pause_s)

    def stage(self, task: str, count: int, payload: Mapping[str, Any] | None = None) -> None:
        """Put ``count`` messages aside, as a sender of Celery's makes them."""
        with self.sender.producer_or_acquire() as producer:
            for _ in range(count):
                self.sender.send_task(task, kwargs=dict(payload or {}), queue=f"{STAGING}.jobs", producer=producer)

    def run(self, tasks: int) -> Cost:
        """Give it what was put aside, and what it cost until nothing is left; ``tasks`` is how many were done by it."""
        idle_since = 0.0

        def rests() -> bool:
            # For a moment a message is in no key: the worker has taken it and not yet noted that it has.
            nonlocal idle_since
            now = time.perf_counter()
            idle_since = (idle_since or now) if self.idle() else 0.0
            return idle_since > 0 and now - idle_since > REST_S

        before, began = self._cpu(), time.perf_counter()
        self._server.client.rename(f"{STAGING}.jobs", self.queue)
        self.wait(rests, 120, 0.005)
        after = self._cpu()
        return Cost(tasks, idle_since - began, after[0] - before[0], after[1] - before[1])

    def idle(self) -> bool:
        """Whether nothing waits and nothing is worked on."""
        return not self._server.client.exists(*self._busy)

    def _cpu(self) -> tuple[float, float]:
        """Seconds of processor that parent and child have used."""
        spent = [process.cpu_times() for process in (self._parent, self._child)]
        return spent[0].user + spent[0].system, spent[1].user + spent[1].system

    def close(self) -> None:
        """End it."""
        self.sender.close()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
