"""Rules: record, apply, mark; rollback compensates and never edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from support.sampler import MemorySwitches

from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import LumenError, NotFound, UsageError
from lumen_workers.domain.ports import Ack, Actuator, Store
from lumen_workers.domain.records import LoopSpec, RuleEvent, RuleSpec, RuleValue
from lumen_workers.loop.rules import NotApplied, Rules

START = datetime(2026, 1, 31, tzinfo=UTC)
SPEC = LoopSpec(
    name="main",
    rate_hz=5,
    source="mock",
    rules={
        "creative_min": RuleSpec(name="creative_min", initial=0.2, min=0, max=1),
        "risk_max": RuleSpec(name="risk_max", initial=0.4, min=0, max=1),
    },
)


class MemoryRules:
    """A store with loops and rules; its clock moves one second at each event."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.log: list[RuleEvent] = []
        self.known = {"main": 5}
        self.rules = self.loops = self
        self.switches = MemorySwitches()

    def now(self) -> datetime:
        return self.clock.now()

    def rates(self) -> dict[str, int]:
        return self.known

    def append(
        self,
        loop: str,
        spec: RuleSpec,
        new: float,
        *,
        actor: str,
        note: str = "",
        automatic: bool = False,
        undoes: str | None = None,
    ) -> RuleEvent:
        current = self.current(loop)
        old = current[spec.name].value if spec.name in current else spec.initial
        if not spec.min <= new <= spec.max or new == old:
            raise UsageError("refused by the store")
        self.clock.advance(1)
        number = len(self.log) + 1
        event = RuleEvent(
            event_id=f"rule-{number}",
            loop=loop,
            seq=number,
            ts=self.now(),
            actor=actor,
            rule=spec.name,
            old=old,
            new=new,
            note=note,
            automatic=automatic,
            undoes=undoes,
        )
        self.log.append(event)
        return event

    def applied(self, event_id: str, applied_at: datetime, actuator: str, *, by: str = "lumen") -> bool:
        was_open = self.get(event_id).applied_at is None
        self.log = [
            replace(e, applied_at=applied_at) if e.event_id == event_id and e.applied_at is None else e
            for e in self.log
        ]
        return was_open

    def unapplied(self, loop: str) -> list[RuleEvent]:
        return [e for e in self.log if e.loop == loop and e.applied_at is None]

    def get(self, event_id: str) -> RuleEvent:
        for event in self.log:
            if event.event_id == event_id:
                return event
        raise NotFound(event_id)

    def events(
        self,
        loop: str | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        upto: int | None = None,
        rule: str | None = None,
    ) -> list[RuleEvent]:
        return [
            e
            for e in self.log
            if loop in (None, e.loop)
            and rule in (None, e.rule)
            and (start is None or e.ts >= start)
            and (end is None or e.ts < end)
        ]

    def current(self, loop: str) -> dict[str, RuleValue]:
        return {
            e.rule: RuleValue(rule=e.rule, value=e.new, event_id=e.event_id, since=e.ts)
            for e in self.log
            if e.loop == loop
        }


class Recorder:
    """An actuator that remembers, and fails or runs something first when told to."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, float], str]] = []
        self.error: Exception | None = None
        self.during: list[tuple[str, float]] = []
        self.rules: Rules | None = None

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack:
        if self.error is not None:
            raise self.error
        if self.during and self.rules is not None:
            rule, value = self.during.pop()
            self.rules.set(loop, rule, value, actor="Sena")
        self.calls.append((dict(rules), event.event_id))
        return Ack()

    def acknowledged(self, loop: str, event: RuleEvent) -> None:
        """What it took, it acknowledged at once."""


class World:
    def __init__(self) -> None:
        self.store = MemoryRules()
        self.actuator = Recorder()
        self.rules = Rules(cast("Store", self.store), {"main": SPEC}, self.choose)
        self.actuator.rules = self.rules

    def choose(self, spec: LoopSpec) -> Actuator:
        return self.actuator

    def values(self) -> dict[str, float]:
        return {name: value.value for name, value in self.rules.get("main").items()}


@pytest.fixture
def world() -> World:
    return World()


def ids(events: Sequence[RuleEvent]) -> list[str]:
    return [event.event_id for event in events]


def test_rules_begin_at_their_declared_values(world: World) -> None:
    assert world.values() == {"creative_min": 0.2, "risk_max": 0.4}
    assert world.rules.get("main")["risk_max"].event_id is None


def test_set_records_applies_all_rules_and_marks_the_store_time(world: World) -> None:
    event = world.rules.set("main", "creative_min", 0.3, actor="Lubit", note="try")
    assert (event.old, event.new, event.actor, event.note) == (0.2, 0.3, "Lubit", "try")
    assert world.actuator.calls == [({"creative_min": 0.3, "risk_max": 0.4}, event.event_id)]
    assert event.applied_at == world.store.now()
    assert world.values()["creative_min"] == 0.3


def test_a_failing_actuator_leaves_the_event_owed(world: World) -> None:
    world.actuator.error = OSError("no space left")
    with pytest.raises(NotApplied, match=r"rule-1 .*recorder.*no space left"):
        world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    assert ids(world.store.unapplied("main")) == ["rule-1"]
    with pytest.raises(NotApplied, match="rule-1"):
        world.rules.apply_pending("main")
    world.actuator.error = None
    world.store.clock.advance(60)
    assert world.rules.apply_pending("main") == 1
    assert world.store.get("rule-1").applied_at == START + timedelta(seconds=61)
    assert world.rules.apply_pending("main") == 0
    assert world.actuator.calls == [({"creative_min": 0.3, "risk_max": 0.4}, "rule-1")]


def test_pending_events_reach_the_loop_together_as_the_present_rules(world: World) -> None:
    world.actuator.error = OSError("away")
    for value in (0.3, 0.5):
        with pytest.raises(NotApplied):
            world.rules.set("main", "creative_min", value, actor="Lubit")
    world.actuator.error = None
    assert world.rules.apply_pending("main") == 2
    assert world.actuator.calls == [({"creative_min": 0.5, "risk_max": 0.4}, "rule-2")]
    assert [event.applied_at for event in world.store.log] == [world.store.now()] * 2


def test_while_automatic_changes_are_paused_a_pending_one_waits(world: World) -> None:
    world.actuator.error = OSError("away")
    for value, automatic in ((0.3, True), (0.5, False)):
        with pytest.raises(NotApplied):
            world.rules.set("main", "creative_min", value, actor="tuner", automatic=automatic)
    world.actuator.error = None
    world.store.switches.names.append("pause")
    assert world.rules.apply_pending("main") == 1
    assert [event for _, event in world.actuator.calls] == ["rule-2"]
    world.store.switches.names.clear()
    assert world.rules.apply_pending("main") == 1


def test_a_change_that_crosses_leaves_the_loop_with_both(world: World) -> None:
    world.actuator.during = [("risk_max", 0.7)]
    world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    # The first apply brought the older set after the newer one had been applied; it was put right.
    assert world.actuator.calls[-1][0] == {"creative_min": 0.3, "risk_max": 0.7}
    assert world.store.unapplied("main") == []


@pytest.mark.parametrize(
    ("loop", "rule", "words"),
    [("mian", "risk_max", r"'mian'.*main"), ("main", "riskmax", r"'riskmax'.*creative_min, risk_max")],
)
def test_unknown_names_list_the_known_ones(world: World, loop: str, rule: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        world.rules.set(loop, rule, 0.1, actor="Lubit")
    with pytest.raises(UsageError, match=words):
        world.rules.rollback_automatic(loop, rule, actor="Lubit")
    with pytest.raises(UsageError, match=words):
        world.rules.rollback_to(loop, START, actor="Lubit", rule=rule)
    with pytest.raises(UsageError, match=words):
        world.rules.list(loop, rule=rule)
    assert world.store.log == []


def test_an_imported_loop_can_be_read_but_not_changed(world: World) -> None:
    world.store.known["old"] = 5
    assert world.rules.get("old") == {}
    assert world.rules.list("old") == []
    with pytest.raises(UsageError, match="'old'"):
        world.rules.set("old", "risk_max", 0.1, actor="Lubit")


def test_rollback_swaps_and_names_the_event(world: World) -> None:
    change = world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    undo = world.rules.rollback(change.event_id, actor="Sena", note="too strong")
    assert (undo.old, undo.new, undo.undoes) == (0.3, 0.2, change.event_id)
    assert undo.note == "rollback of rule-1: too strong"
    assert undo.applied_at is not None
    assert world.store.get(change.event_id) == change
    redo = world.rules.rollback(undo.event_id, actor="Sena")
    assert (redo.old, redo.new, redo.undoes) == (0.2, 0.3, undo.event_id)
    assert world.actuator.calls[-1][0]["creative_min"] == 0.3


def test_rollback_of_an_older_event_restores_what_was_before_it(world: World) -> None:
    first = world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    world.rules.set("main", "creative_min", 0.5, actor="Lubit")
    undo = world.rules.rollback(first.event_id, actor="Sena")
    assert (undo.old, undo.new) == (0.5, 0.2)


def test_a_rollback_that_changes_nothing_is_refused(world: World) -> None:
    change = world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    world.rules.rollback(change.event_id, actor="Sena")
    with pytest.raises(UsageError, match=r"rule-1 has nothing to roll back: creative_min is 0.2 already"):
        world.rules.rollback(change.event_id, actor="Sena")
    with pytest.raises(NotFound):
        world.rules.rollback("rule-99", actor="Sena")
    assert len(world.store.log) == 2


def test_rollback_of_the_last_automatic_change(world: World) -> None:
    with pytest.raises(UsageError, match="no automatic change"):
        world.rules.rollback_automatic("main", "creative_min", actor="Sena")
    world.rules.set("main", "creative_min", 0.25, actor="Lumen", automatic=True)
    second = world.rules.set("main", "creative_min", 0.3, actor="Lumen", automatic=True)
    world.rules.set("main", "risk_max", 0.5, actor="Lumen", automatic=True)
    world.rules.set("main", "creative_min", 0.6, actor="Lubit")
    undo = world.rules.rollback_automatic("main", "creative_min", actor="Sena")
    assert (undo.undoes, undo.new) == (second.event_id, 0.25)


def test_rollback_to_a_time_restores_every_rule_that_differs(world: World) -> None:
    kept = world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    world.rules.set("main", "creative_min", 0.5, actor="Lubit")
    world.rules.set("main", "creative_min", 0.6, actor="Lubit")
    world.rules.set("main", "risk_max", 0.9, actor="Lubit")
    undos = world.rules.rollback_to("main", kept.ts, actor="Sena", note="back")
    assert [(u.rule, u.new, u.undoes) for u in undos] == [("creative_min", 0.3, "rule-2"), ("risk_max", 0.4, "rule-4")]
    assert undos[0].note.startswith("rollback of rule-2: to 2026-01-31T00:00:01")
    assert world.actuator.calls[-1][0] == {"creative_min": 0.3, "risk_max": 0.4}
    with pytest.raises(UsageError, match="no rule of loop 'main' differs"):
        world.rules.rollback_to("main", kept.ts, actor="Sena")
    with pytest.raises(UsageError, match="no time zone"):
        world.rules.rollback_to("main", datetime(2026, 1, 31), actor="Sena")  # noqa: DTZ001


def test_rollback_to_a_time_records_all_or_nothing(world: World) -> None:
    world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    world.rules.set("main", "risk_max", 0.9, actor="Lubit")
    narrowed = {**SPEC.rules, "risk_max": RuleSpec(name="risk_max", initial=0.8, min=0.5, max=1)}
    rules = Rules(cast("Store", world.store), {"main": replace(SPEC, rules=narrowed)}, world.choose)
    with pytest.raises(UsageError, match=r"rule-2 cannot be rolled back: risk_max was 0.4 .* 0.5 to 1"):
        rules.rollback_to("main", START, actor="Sena")
    assert len(world.store.log) == 2


def test_rollback_to_a_time_owes_all_when_the_loop_cannot_be_reached(world: World) -> None:
    world.rules.set("main", "creative_min", 0.3, actor="Lubit")
    world.rules.set("main", "risk_max", 0.9, actor="Lubit")
    world.actuator.error = OSError("away")
    with pytest.raises(LumenError, match="rule-3"):
        world.rules.rollback_to("main", START, actor="Sena")
    assert ids(world.store.unapplied("main")) == ["rule-3", "rule-4"]
