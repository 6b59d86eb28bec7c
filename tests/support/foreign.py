"""A little Celery app that is not ours; it counts its work in its broker's Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from support.processes import eventually
from support.workers import RedisServer, guarded

URL = os.environ.get("FOREIGN_BROKER", "redis+socket:///nowhere")
COUNT = "foreign:count"
QUEUE = "foreign"
NAME = "foreign@here"

app = Celery("foreign", broker=URL, set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    task_default_queue=QUEUE,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="foreign.work")  # type: ignore[untyped-decorator]
def work() -> None:
    """One piece of work."""
    _client().incr(COUNT)


def _client() -> Any:
    return redis.Redis(unix_socket_path=URL.removeprefix("redis+socket://"))


@contextmanager
def foreign_worker(broker: RedisServer, log: Path, *, pool: str = "prefork", size: int = 2) -> Iterator[Any]:
    """A live worker of the app; yields an app that sends to it."""
    options = ["-A", "support.foreign", "worker", "-n", NAME, "-P", pool, "-c", str(size), "--loglevel", "INFO"]
    env = {
        **os.environ,
        "FOREIGN_BROKER": broker.url,
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "PYTHONWARNINGS": "ignore",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            guarded([sys.executable, "-m", "celery", *options]), env=env, stdout=out, stderr=out, cwd=log.parent
        )
    sender = Celery("sender", broker=broker.url, set_as_current=False)
    sender.conf.update(task_default_queue=QUEUE, task_ignore_result=True)
    try:
        eventually(lambda: b"ready." in log.read_bytes(), timeout_s=60)
        yield sender
    finally:
        sender.close()
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
