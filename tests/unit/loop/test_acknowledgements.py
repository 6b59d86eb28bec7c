"""A loop that acknowledges later, never, or says no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import EffectOptions, LoopSpec, RuleEvent, RuleSpec
from lumen_workers.domain.regions import PAUSE
from lumen_workers.loop.deadline import patience
from lumen_workers.loop.rules import ChangeFailed, NotApplied, Rules

START = datetime(2026, 1, 31, tzinfo=UTC)
SPEC = LoopSpec(
    name="main",
    rate_hz=5,
    source="push",
    rules={
        "creative_min": RuleSpec(name="creative_min", initial=0.2, min=0, max=1),
        "risk_max": RuleSpec(name="risk_max", initial=0.4, min=0, max=1),
    },
    actuator="poll",
)


class Slow:
    """A loop that is told and acknowledges when the test lets it."""

    name = "slow"

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, float], str]] = []
        self.acks: dict[str, Ack] = {}
        self.error: Exception | None = None

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack | None:
        if self.error is not None:
            raise self.error
        self.told.append((dict(rules), event.event_id))
        return self.acks.get(event.event_id)

    def acknowledged(self, loop: str, event: RuleEvent) -> Ack | None:
        if self.error is not None:
            raise self.error
        return self.acks.get(event.event_id)


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.store: SqlStore = open_store("sqlite://", clock=self.clock)
        self.store.loops.register("main", 5, "push")
        self.loop = Slow()
        self.rules = self.of(SPEC)

    def of(self, spec: LoopSpec) -> Rules:
        return Rules(
            self.store,
            {"main": spec},
            lambda _: self.loop,
            refused=lambda error: isinstance(error, ValueError),
            by="us-west-2/host/1",
        )

    def set(self, value: float = 0.3, rule: str = "creative_min", *, automatic: bool = False) -> RuleEvent:
        self.clock.advance(1)
        return self.rules.set("main", rule, value, actor="Sena", automatic=automatic)

    def value(self) -> float:
        return self.rules.get("main")["creative_min"].value

    def get(self, event: RuleEvent) -> RuleEvent:
        return self.store.rules.get(event.event_id)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.store.close()


def test_a_change_waits_for_its_acknowledgement_and_is_told_again(world: World) -> None:
    event = world.set()
    assert event.pending
    world.clock.advance(5)
    assert world.rules.apply_pending("main") == 0
    assert world.loop.told == [({"creative_min": 0.3, "risk_max": 0.4}, event.event_id)] * 2
    world.loop.acks[event.event_id] = Ack()
    assert world.rules.apply_pending("main") == 1
    assert world.get(event).applied_at == world.clock.now()
    assert world.rules.apply_pending("main") == 0
    assert len(world.loop.told) == 3


def test_an_acknowledgement_covers_what_came_before_it(world: World) -> None:
    first, second = world.set(0.3), world.set(0.5, "risk_max")
    world.clock.advance(5)
    assert world.rules.acknowledge(second.event_id, way="poll") == 2
    assert {world.get(first).applied_at, world.get(second).applied_at} == {world.clock.now()}
    assert world.rules.acknowledge(first.event_id, way="poll") == 0


def test_an_acknowledgement_of_the_older_change_leaves_the_newer_one_open(world: World) -> None:
    first, second = world.set(0.3), world.set(0.5, "risk_max")
    assert world.rules.acknowledge(first.event_id, way="poll") == 1
    assert world.get(second).pending


@pytest.mark.parametrize(("said_s", "counts"), [(0.0, True), (4.0, True), (5.0, True), (-0.001, False), (5.001, False)])
def test_the_loops_own_time_counts_between_the_change_and_now(world: World, said_s: float, counts: bool) -> None:
    event = world.set()
    said = event.ts + timedelta(seconds=said_s)
    world.clock.advance(5)
    world.rules.acknowledge(event.event_id, said, way="poll")
    assert world.get(event).applied_at == (said if counts else world.clock.now())


def test_what_is_not_acknowledged_in_time_is_failed_and_taken_back(world: World) -> None:
    event = world.set(automatic=True)
    world.clock.advance(30)
    world.rules.apply_pending("main")
    assert world.get(event).pending
    world.clock.advance(0.001)
    assert world.rules.apply_pending("main") == 0
    known = world.get(event)
    assert (known.failed_at, known.why) == (world.clock.now(), "no acknowledgement within 30 s")
    assert world.value() == 0.2
    undo = world.rules.list("main")[-1]
    assert (undo.actor, undo.undoes, undo.automatic) == ("lumen", event.event_id, True)
    # The loop is told at once.
    assert world.loop.told[-1] == ({"creative_min": 0.2, "risk_max": 0.4}, undo.event_id)
    assert [alarm.kind for alarm in world.store.notices.alarms(standing=True)] == ["rule_failed"]


def test_what_takes_it_back_waits_for_ever_and_nothing_goes_to_and_fro(world: World) -> None:
    event = world.set()
    world.clock.advance(31)
    world.rules.apply_pending("main")
    for _ in range(5):
        world.clock.advance(100)
        assert world.rules.apply_pending("main") == 0
    assert len(world.rules.list("main")) == 2
    undo = world.rules.list("main")[-1]
    world.loop.acks[undo.event_id] = Ack()
    assert world.rules.apply_pending("main") == 1
    assert world.rules.acknowledge(event.event_id, way="poll") == 0
    assert world.get(event).applied_at is None
    assert [line.event for line in world.store.audit.rows(subject=event.event_id)][-1] == "late acknowledgement"
    options = EffectOptions()
    assert world.store.effects.due("main", options, world.clock.now() + timedelta(hours=1)) == []


def test_a_loop_that_cannot_be_reached_is_tried_until_the_deadline(world: World) -> None:
    world.loop.error = OSError("no route")
    with pytest.raises(NotApplied, match="no route"):
        world.set()
    world.clock.advance(20)
    with pytest.raises(NotApplied):
        world.rules.apply_pending("main")
    assert world.store.notices.alarms() == []
    world.clock.advance(11)
    with pytest.raises(NotApplied):  # of the way back
        world.rules.apply_pending("main")
    assert world.value() == 0.2
    world.loop.error = None
    world.rules.apply_pending("main")
    assert world.loop.told[-1][0]["creative_min"] == 0.2


def test_an_acknowledgement_in_time_counts_though_nobody_looked(world: World) -> None:
    event = world.set()
    world.loop.acks[event.event_id] = Ack(applied_at=event.ts + timedelta(seconds=3))
    world.clock.advance(60)
    assert world.rules.apply_pending("main") == 1
    assert world.get(event).applied_at == event.ts + timedelta(seconds=3)


def test_a_later_change_within_its_own_time_stays_when_an_older_one_fails(world: World) -> None:
    first = world.set(0.3)
    world.clock.advance(25)
    second = world.set(0.5)
    world.clock.advance(10)
    world.rules.apply_pending("main")
    assert world.get(first).failed_at is not None
    assert world.get(second).pending
    assert world.value() == 0.5
    world.clock.advance(30)
    world.rules.apply_pending("main")
    assert world.value() == 0.2


def test_a_refusal_fails_at_once(world: World) -> None:
    world.loop.error = ValueError("400")
    with pytest.raises(ChangeFailed, match="refused, so it is taken back: actuator 'slow' failed: 400"):
        world.set()
    assert world.value() == 0.2
    assert world.rules.list("main")[0].why == "actuator 'slow' failed: 400"
    with pytest.raises(NotApplied) as caught:
        world.rules.apply_pending("main")
    assert not isinstance(caught.value, ChangeFailed)
    assert len(world.rules.list("main")) == 2


def test_a_pause_keeps_automatic_changes_waiting_but_not_their_way_back(world: World) -> None:
    event = world.set(automatic=True)
    world.store.switches.turn_on(PAUSE, "kim")
    world.loop.told.clear()
    world.rules.apply_pending("main")
    assert world.loop.told == []
    world.clock.advance(31)
    world.rules.apply_pending("main")
    assert world.get(event).failed_at is not None
    assert [values["creative_min"] for values, _ in world.loop.told] == [0.2]


@pytest.mark.parametrize(
    ("actuator", "given", "seconds"),
    [
        ("file", None, None),
        ("file:/x/rules.json", None, None),
        ("none", None, None),
        ("poll", None, 30.0),
        ("webhook:http://127.0.0.1/x", None, 30.0),
        ("poll", 5.0, 5.0),
        ("file", 60.0, 60.0),
    ],
)
def test_how_long_a_loop_has(actuator: str, given: float | None, seconds: float | None) -> None:
    spec = replace(SPEC, actuator=actuator, ack_within_s=given)
    assert patience(spec) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_full_disk_is_waited_for_unless_there_is_a_deadline(world: World) -> None:
    world.loop.error = OSError("disk full")
    world.rules = world.of(replace(SPEC, actuator="file"))
    with pytest.raises(NotApplied):
        world.set()
    world.clock.advance(86_400)
    with pytest.raises(NotApplied):
        world.rules.apply_pending("main")
    assert len(world.rules.list("main")) == 1
    world.rules = world.of(replace(SPEC, actuator="file", ack_within_s=60.0))
    with pytest.raises(NotApplied):
        world.rules.apply_pending("main")
    assert world.value() == 0.2
