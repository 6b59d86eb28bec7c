"""What the measured workers do: bare Celery tasks, and ticks and a pipeline of ours with the same bodies.

``celery -A _work:bare`` has Celery's own consumer and tasks that call a body and nothing else; ``celery -A _work:ours``
is the product's app with a few more rows in its table. The options are the same. ``LUMEN_BENCH_NOTES`` names a file to
which the bodies append when they begin and end (monotonic seconds, the same clock for every process of the machine).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from unittest import mock
from zoneinfo import ZoneInfo

from celery import Celery

from lumen_workers import config
from lumen_workers.config import Settings
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import GRACE_S, Outputs, Pipeline, Stage, StageWork, Tick
from lumen_workers.engine.flow import advance, stage_task
from lumen_workers.engine.schedule import Entry
from lumen_workers.engine.ticks import run_tick
from lumen_workers.pipelines.tasks import TASKS, Message, StageMessage, Task
from lumen_workers.worker import build, process

BODIES_MS: Final = (0, 20, 100)
"""What a body costs: milliseconds of processor time."""

STAGES: Final = tuple(f"s{number}" for number in range(5))
"""As many as the daily pipeline has."""

DONE, FRESH, NOTED = "benchdone", "benchfresh", "benchnoted"
"""Ticks that do nothing: one whose slot has run, one whose every message has a fresh slot, one that notes its start."""

NOTES_ENV: Final = "LUMEN_BENCH_NOTES"
LIMIT_S: Final = 300.0


def burn(ms: float) -> None:
    """Use ``ms`` of this thread's processor time."""
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass


def note(what: str) -> None:
    """Append the instant, if somebody wants to know."""
    path = os.environ.get(NOTES_ENV)
    if path is None:
        return
    line = f"{what} {time.monotonic():.6f}\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def pipeline_of(ms: int) -> Pipeline:
    """Five stages, each with a body of ``ms``."""
    return Pipeline(name=f"bench{ms}", stages=tuple(Stage(name=name, run=partial(_stage, ms, name)) for name in STAGES))


def _stage(ms: int, name: str, work: StageWork) -> Outputs:
    note(f"begin {work.run.run_id} {name}")
    burn(ms)
    note(f"end {work.run.run_id} {name}")
    return {"root": work.seal.digest()} if name == STAGES[0] else {}


def _stage_tasks(ms: int) -> list[Task]:
    pipeline = pipeline_of(ms)

    def handle(name: str) -> Callable[[Context, StageMessage], str]:
        return lambda ctx, message: advance(ctx, pipeline, name, message.run_id, message.attempt)

    return [
        Task(
            name=stage_task(pipeline.name, name),
            lane="jobs",
            message=StageMessage,
            handle=handle(name),
            limit_s=LIMIT_S,
        )
        for name in STAGES
    ]


def _nothing(ctx: Context) -> str:  # noqa: ARG001
    return "nothing to do"


def _noted(ctx: Context) -> str:  # noqa: ARG001
    note("begin")
    return "noted"


def _tick_task(tick: Tick) -> Task:
    return Task(name=f"lumen.{tick.name}", lane="jobs", message=Message, handle=lambda ctx, _: run_tick(ctx, tick))


def _schedule(settings: Settings) -> dict[str, Entry]:
    """A slot that lasts a day, and slots of a microsecond: no two messages meet in one."""

    def entry(name: str, every_s: float) -> Entry:
        return Entry(name=name, run=name, every_s=every_s, cron=None, regions=settings.regions, zone=ZoneInfo("UTC"))

    return {DONE: entry(DONE, 86_400), FRESH: entry(FRESH, 1e-6), NOTED: entry(NOTED, 1e-6)}


def _ours(settings: Settings) -> Celery:
    """The product's app, which knows our ticks and stages too."""
    ticks = (Tick(name=DONE, run=_nothing), Tick(name=FRESH, run=_nothing), Tick(name=NOTED, run=_noted))
    for task in (*map(_tick_task, ticks), *(task for ms in BODIES_MS for task in _stage_tasks(ms))):
        TASKS[task.name] = task
    mock.patch.object(process, "entries", _schedule).start()
    return build.build_app(settings)


def _bare(settings: Settings) -> Celery:
    """Celery as it comes, with our options; only the consumer is its own."""
    app = Celery("bare", set_as_current=False)
    app.conf.update(build.options(settings))
    app.conf.worker_consumer = "celery.worker.consumer:Consumer"
    app.conf.task_routes = None

    def declare(name: str, body: Callable[[], None]) -> None:
        def run() -> None:
            body()

        app.task(name=name, shared=False, typing=False, soft_time_limit=LIMIT_S, time_limit=LIMIT_S + GRACE_S)(run)

    for ms in BODIES_MS:
        declare(f"bare.{ms}", partial(burn, ms))
    declare("bare.nothing", lambda: None)
    declare("bare.noted", partial(note, "begin"))
    return app


def __getattr__(name: str) -> Any:
    made: dict[str, Callable[[Settings], Celery]] = {"bare": _bare, "ours": _ours}
    if name not in made:
        raise AttributeError(name)
    return made[name](config.load())
