"""The way in of every message: what is refused, what is logged, and how a message is known again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.config import load
from lumen_workers.domain.errors import LeaseLost, NetworkError, UsageError
from lumen_workers.engine.context import Context
from lumen_workers.engine.declare import GRACE_S
from lumen_workers.pipelines.daily import DAILY_PIPELINE
from lumen_workers.pipelines.tasks import TASKS, Message, Task
from lumen_workers.worker.letters import contents, refuse
from lumen_workers.worker.logs import Line, set_up, trace
from lumen_workers.worker.tasks import perform, register

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = open_store("sqlite://")
    yield opened
    opened.close()


@pytest.fixture
def ctx(store: SqlStore) -> Context:
    return cast("Context", SimpleNamespace(store=store, region="us-west-2"))


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def task(error: Exception | None = None) -> Task:
    def handle(_: Context, message: Message) -> str:
        logging.getLogger("lumen_workers.test").info("in the work of %s", trace.get())
        if error is not None:
            raise error
        return f"done {message.trace_id}"

    return Task(name="lumen.test", lane="jobs", message=Message, handle=handle)


def test_what_came_of_it_is_one_line_and_the_trace_is_known_inside(
    ctx: Context, caplog: pytest.LogCaptureFixture
) -> None:
    assert perform(ctx, task(), (), {"trace_id": TRACE}) == f"done {TRACE}"
    inside, line = caplog.messages
    assert inside == f"in the work of {TRACE}"
    assert line.startswith("lumen.test in 0.")
    assert line.endswith(f"s: done {TRACE}")
    assert trace.get() is None


@pytest.mark.parametrize(
    ("args", "payload"),
    [
        ((), {"trace_id": "no trace"}),
        ((), {"trace_id": 7}),
        ((), {"trace_id": TRACE, "unknown": 1}),
        (("today",), {"trace_id": TRACE}),
    ],
)
def test_what_is_not_valid_is_a_letter(
    ctx: Context, store: SqlStore, args: tuple[Any, ...], payload: dict[str, Any]
) -> None:
    assert perform(ctx, task(), args, payload).startswith("refused: lumen.test")
    [letter] = store.notices.letters()
    assert (letter.task, letter.region) == ("lumen.test", "us-west-2")
    assert letter.trace_id == (TRACE if payload["trace_id"] == TRACE else None)
    assert json.loads(letter.payload) == {"args": list(args), "kwargs": payload}


def test_what_the_work_finds_wrong_with_the_request_is_a_letter(ctx: Context, store: SqlStore) -> None:
    assert perform(ctx, task(UsageError("no such day")), (), {"trace_id": TRACE}) == "refused: no such day"
    assert [letter.reason for letter in store.notices.letters()] == ["no such day"]


def test_a_fenced_worker_has_nothing_to_report(ctx: Context, store: SqlStore) -> None:
    assert perform(ctx, task(LeaseLost("epoch 2")), (), {"trace_id": TRACE}) == "fenced: epoch 2"
    assert store.notices.letters() == []


def test_our_own_errors_are_one_line(ctx: Context, store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(NetworkError):
        perform(ctx, task(NetworkError("nobody answers")), (), {"trace_id": TRACE})
    last = caplog.records[-1]
    assert (last.levelname, last.exc_info) == ("ERROR", None)
    assert last.getMessage().endswith("s: network: nobody answers")
    assert store.notices.letters() == []


def test_every_task_says_which_arguments_it_takes(ctx: Context) -> None:
    for known in TASKS.values():
        assert "(arguments: trace_id" in perform(ctx, known, (), {"trace_id": TRACE, "no such argument": 1})


def test_a_letter_keeps_what_came_within_bounds(store: SqlStore) -> None:
    message = SimpleNamespace(
        content_type="application/json", body=b"\xff" + b"x" * 20_000, headers={"lumen_trace_id": TRACE}
    )
    refuse(store, "us-west-2", "t" * 999, "r" * 9999, contents(message))
    [letter] = store.notices.letters()
    assert letter.trace_id == TRACE
    assert letter.payload.startswith('{"content_type": "application/json", "body": "\\\\xffxxx')
    assert (len(letter.payload), len(letter.task), len(letter.reason)) == (10_000, 200, 1000)


def test_what_never_became_a_task_is_logged_with_its_trace(store: SqlStore) -> None:
    message = SimpleNamespace(content_type="x", body=b"", headers={"lumen_trace_id": TRACE})
    seen: list[str | None] = []

    class Seer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(trace.get())

    handler = Seer()
    logging.getLogger("lumen_workers.worker.letters").addHandler(handler)
    try:
        refuse(store, "us-west-2", "t", "r", contents(message))
    finally:
        logging.getLogger("lumen_workers.worker.letters").removeHandler(handler)
    assert (seen, trace.get()) == ([TRACE], None)


def test_a_line_has_time_place_and_trace() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "text %d", (7,), None)
    record.created, record.msecs = 1_769_817_900.25, 250.0
    line = Line("us-west-2/jobs")
    assert line.format(record) == "2026-01-31T00:05:00.250Z INFO us-west-2/jobs: text 7"
    token = trace.set(TRACE)
    assert line.format(record) == f"2026-01-31T00:05:00.250Z INFO us-west-2/jobs {TRACE}: text 7"
    trace.reset(token)


@pytest.mark.parametrize(("level", "shown"), [(logging.DEBUG, True), (logging.INFO, False), (logging.ERROR, False)])
def test_what_celery_says_of_each_message_shows_at_debug_only(level: int, shown: bool) -> None:
    logger = logging.Logger("root")
    logger.addHandler(logging.NullHandler())
    set_up(logger, level, "us-west-2", None)
    try:
        assert logging.getLogger("celery.app.trace").isEnabledFor(logging.INFO) is shown
        assert isinstance(logger.handlers[0].formatter, Line)
    finally:
        set_up(logging.Logger("other"), logging.DEBUG, "us-west-2", None)


def test_each_stage_has_its_own_limits_and_a_burst_has_none() -> None:
    app = Celery("test", set_as_current=False)
    register(app, load())
    for name, task in TASKS.items():
        limits = (app.tasks[name].soft_time_limit, app.tasks[name].time_limit)
        assert limits == ((None, None) if task.lane == "sampler" else (task.limit_s, task.limit_s + GRACE_S)), name
    stages = {f"lumen.daily.{stage.name}": stage.limit_s for stage in DAILY_PIPELINE.stages}
    assert {name: app.tasks[name].soft_time_limit for name in stages} == stages
    assert len(set(stages.values())) > 1, "they differ, for their work does"
