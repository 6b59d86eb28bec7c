"""Every task there is: its name, lane, message and handler. The shell and the workers both go through this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import new_trace_id
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import Pipeline, Tick
from lumen_workers.engine.flow import CROSS_VERIFY, advance, stage_task, start
from lumen_workers.engine.regions import is_drained
from lumen_workers.engine.requests import settle
from lumen_workers.engine.seals import parse_day
from lumen_workers.engine.ticks import run_slot, run_tick
from lumen_workers.pipelines.crosscheck import cross_verify
from lumen_workers.pipelines.daily import DAILY_PIPELINE
from lumen_workers.pipelines.ticks import TICKS

TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Message(BaseModel):
    """What every message may carry. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    trace_id: TraceId = Field(default_factory=new_trace_id)


class StartMessage(Message):
    """``day``: today, yesterday or YYYY-MM-DD; without it, the day that the schedule's slot closes."""

    day: str | None = None


class StageMessage(Message):
    """One stage of one attempt."""

    run_id: str
    attempt: int = Field(ge=1)


class OwedMessage(Message):
    """One owed row."""

    key: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task. ``handle`` returns one line for the log; it is interrupted after ``limit_s`` seconds in a jobs lane."""

    name: str
    lane: str
    message: type[Message]
    handle: Callable[[Context, Any], str]
    limit_s: float = 300

    def parse(self, payload: Mapping[str, Any]) -> Message:
        """The payload, checked. Raises UsageError naming every wrong key."""
        try:
            return self.message.model_validate(dict(payload))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {_said(item)}" for item in error.errors())
            allowed = ", ".join(self.message.model_fields)
            raise UsageError(f"{self.name}: {wrong} (arguments: {allowed})") from None

    def run(self, ctx: Context, payload: Mapping[str, Any]) -> str:
        """Check and do it."""
        return self.handle(ctx, self.parse(payload))


def _said(item: ErrorDetails) -> str:
    """What is wrong with one argument."""
    return "unknown argument" if item["type"] == "extra_forbidden" else item["msg"]


def _start(pipeline: Pipeline) -> Callable[[Context, StartMessage], str]:
    def handle(ctx: Context, message: StartMessage) -> str:
        if is_drained(ctx, ctx.region):
            return f"drained: {ctx.region} takes nothing new; what is owed is left to its stand-in"
        if message.day is not None:
            day = parse_day(message.day, ctx.store.now(), ctx.zone)
            for run in ctx.store.runs.rows(pipeline=pipeline.name, day=day):
                if (run.region, run.trace_id) == (ctx.region, message.trace_id):
                    return run.run_id  # the same message, delivered again
            run = start(ctx, pipeline, day, message.trace_id)
            settle(ctx, message.trace_id, run.run_id)
            return run.run_id
        return run_slot(ctx, pipeline, message.trace_id)

    return handle


def _stage(pipeline: Pipeline, stage: str) -> Callable[[Context, StageMessage], str]:
    return lambda ctx, message: advance(ctx, pipeline, stage, message.run_id, message.attempt)


def _tick(tick: Tick) -> Callable[[Context, Message], str]:
    return lambda ctx, _: run_tick(ctx, tick)


PIPELINES: Final = (DAILY_PIPELINE,)

ALL: Final = (
    *(Task(name=f"lumen.{t.name}", lane=t.lane, message=Message, handle=_tick(t)) for t in TICKS),
    *(Task(name=f"lumen.{p.name}", lane="jobs", message=StartMessage, handle=_start(p)) for p in PIPELINES),
    *(
        Task(
            name=stage_task(p.name, s.name),
            lane="jobs",
            message=StageMessage,
            handle=_stage(p, s.name),
            limit_s=s.limit_s,
        )
        for p in PIPELINES
        for s in p.stages
    ),
    Task(
        name=f"lumen.{CROSS_VERIFY}",
        lane="jobs",
        message=OwedMessage,
        handle=lambda ctx, message: cross_verify(ctx, message.key),
        limit_s=1200,
    ),
)


def table(tasks: tuple[Task, ...] = ALL) -> dict[str, Task]:
    """Name → task. Raises ValueError for a name that stands twice."""
    out: dict[str, Task] = {}
    for task in tasks:
        if task.name in out:
            raise ValueError(f"task {task.name} is declared twice")
        out[task.name] = task
    return out


TASKS: Final = table()

SCHEDULABLE: Final = tuple(sorted([t.name for t in TICKS] + [p.name for p in PIPELINES]))
"""What an entry of the schedule may run."""


def task_of(run: str) -> Task:
    """The task that a schedule entry or ``lumen enqueue`` names."""
    if f"lumen.{run}" not in TASKS:
        raise UsageError(f"unknown task {run!r}; known: {', '.join(name.removeprefix('lumen.') for name in TASKS)}")
    return TASKS[f"lumen.{run}"]


__all__ = ["ALL", "PIPELINES", "SCHEDULABLE", "TASKS", "Task", "table", "task_of"]
