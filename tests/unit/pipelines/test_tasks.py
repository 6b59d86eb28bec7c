"""The table of tasks, and what their messages may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.contexts import A, World
from support.day import sample

from lumen_workers.domain.clock import from_us
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import LoopSpec, RuleEvent, RuleSpec
from lumen_workers.loop.rules import NotApplied, Rules
from lumen_workers.pipelines.tasks import ALL, SCHEDULABLE, TASKS, table, task_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    rules = {"risk_max": RuleSpec(name="risk_max", initial=0.35, min=0, max=1)}
    made = World(tmp_path, loops={name: LoopSpec(name=name, rate_hz=5, source="mock", rules=rules) for name in "ab"})
    yield made
    made.close()


def test_every_stage_tick_and_pipeline_is_a_task_once() -> None:
    assert set(TASKS) == {
        *(
            "lumen.sample",
            "lumen.effects",
            "lumen.experiments",
            "lumen.gateway",
            "lumen.tune",
            "lumen.rhythm",
            "lumen.trust",
            "lumen.deliver",
            "lumen.reconcile",
            "lumen.daily",
            "lumen.cross_verify",
        ),
        *(f"lumen.daily.{stage}" for stage in ("build", "pdf", "freeze", "sign", "attest", "verify")),
    }
    assert {name for name, task in TASKS.items() if task.lane == "sampler"} == {"lumen.sample"}
    assert SCHEDULABLE == (
        "daily",
        "deliver",
        "effects",
        "experiments",
        "gateway",
        "reconcile",
        "rhythm",
        "sample",
        "trust",
        "tune",
    )
    with pytest.raises(ValueError, match="declared twice"):
        table((*ALL, ALL[0]))
    with pytest.raises(UsageError, match=r"known: .*reconcile"):
        task_of("daly")


@pytest.mark.parametrize(
    ("name", "payload", "said"),
    [
        ("daily", {"dai": "today"}, "dai"),
        ("daily", {"day": 5}, "day"),
        ("daily", {"day": "someday"}, "YYYY-MM-DD"),
        ("daily", {"day": "2999-01-01"}, "has not begun"),
        ("daily", {"trace_id": "xyz"}, "trace_id"),
        ("daily.build", {}, "run_id"),
        ("daily.build", {"run_id": "x", "attempt": "1"}, "attempt"),
        ("daily.build", {"run_id": "x", "attempt": 0}, "attempt"),
        ("daily.build", {"run_id": "x", "attempt": 1}, "'x' is not known"),
        ("cross_verify", {}, "key"),
        ("cross_verify", {"key": "daily/2026-01-31/r1"}, "no result"),
        ("reconcile", {"day": "today"}, "day"),
    ],
)
def test_a_message_that_is_not_valid_is_a_usage_error(
    world: World, name: str, payload: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        task_of(name).run(world.context(), payload)
    assert world.store.runs.rows() == []


def test_a_day_without_a_slot_may_be_asked_for_by_name(world: World) -> None:
    assert task_of("daily").run(world.context(schedule={}), {"day": "yesterday"}) == f"20260131-{A}-01234567"
    assert task_of("daily").run(world.context(schedule={}), {}) == "not scheduled here"


def test_one_loop_that_cannot_be_reached_keeps_no_effect_from_another(world: World) -> None:
    for loop in "ab":
        world.store.loops.register(loop, 5, "mock")
        sample(world.store, 0, 100, loop=loop)
        when = from_us(world.store.samples.tail(loop, 250).ts[0].item())
        event = RuleEvent(
            event_id=f"e-{loop}", loop=loop, seq=0, ts=when, actor="x", rule="risk_max", old=0.35, new=0.2
        )
        world.store.rules.insert([event])
    world.store.rules.applied("e-b", when + timedelta(seconds=1), "file")

    class Unreachable:
        name = "far"

        def apply(self, *_: object) -> Ack:
            raise OSError("no route")

        def acknowledged(self, *_: object) -> None:
            raise OSError("no route")

    rules = Rules(world.store, world.loops, lambda _: Unreachable())
    ctx = world.context(rules=lambda: rules)
    with pytest.raises(NotApplied):
        task_of("effects").run(ctx, {})
    assert [effect.event_id for _, effect in world.store.effects.rows()] == ["e-b"]
