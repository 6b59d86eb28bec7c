"""What every actuator does, against a real peer: tell all rules, twice if need be, and know an acknowledgement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.bootstrap import refused
from lumen_workers.domain.clock import VirtualClock, iso
from lumen_workers.domain.records import EffectOptions, LoopSpec
from lumen_workers.loop.rules import NotApplied, Rules
from lumen_workers.pipelines.verdicts import judge

from .conftest import Peer

NOW = datetime(2026, 1, 31, tzinfo=UTC)


class World:
    """Rules of one loop over a store whose clock stands still."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.clock = VirtualClock(NOW)
        self.store: SqlStore = open_store("sqlite://", clock=self.clock)
        self.store.loops.register("demo", 20, "push")
        self.spec = replace(peer.spec, ack_within_s=30.0)
        self.rules = self.of(self.spec)
        self.rule = sorted(self.spec.rules)[-1]
        self.first, self.second = (
            (self.spec.rules[self.rule].min + share * (self.spec.rules[self.rule].max - self.spec.rules[self.rule].min))
            for share in (0.5, 0.75)
        )

    def of(self, spec: LoopSpec) -> Rules:
        return Rules(self.store, {"demo": spec}, self.peer.make, refused=refused)

    def expected(self) -> dict[str, float]:
        return {name: value.value for name, value in self.rules.get("demo").items()}


@pytest.fixture
def world(peer: Peer) -> Iterator[World]:
    made = World(peer)
    yield made
    made.store.close()


def test_a_change_reaches_the_loop_and_is_applied_when_it_says_so(world: World) -> None:
    event = world.rules.set("demo", world.rule, world.first, actor="Sena")
    assert world.peer.seen() == world.expected()
    if world.peer.acknowledge is not None:
        assert event.pending
        world.clock.advance(3)
        assert world.rules.apply_pending("demo") == 0
        world.peer.acknowledge(event.event_id, iso(NOW + timedelta(seconds=2)))
        assert world.rules.apply_pending("demo") == 1
        event = world.store.rules.get(event.event_id)
        assert event.applied_at == NOW + timedelta(seconds=2)
    assert event.applied_at is not None
    assert world.store.rules.unapplied("demo") == []


def test_telling_it_again_changes_nothing(world: World) -> None:
    event = world.rules.set("demo", world.rule, world.first, actor="Sena")
    actuator = world.peer.make()
    before = world.peer.seen()
    actuator.apply("demo", world.expected(), event)
    actuator.apply("demo", dict(reversed(world.expected().items())), event)
    assert world.peer.seen() == before


def test_it_goes_back(world: World) -> None:
    first = world.rules.set("demo", world.rule, world.first, actor="Sena")
    second = world.rules.set("demo", world.rule, world.second, actor="Sena")
    assert second.old == first.new
    world.rules.rollback(second.event_id, actor="Sena")
    assert world.peer.seen() == world.expected()
    assert world.expected()[world.rule] == first.new


def test_a_loop_that_is_away_is_tried_again_and_then_the_change_fails(world: World) -> None:
    if world.peer.away is None:
        (world.peer.home / "loops").write_text("in the way")
        lost = world.spec
    else:
        lost = replace(world.peer.away, ack_within_s=30.0)
    rules = world.of(lost)
    before = world.expected()
    with pytest.raises(NotApplied) as caught:
        rules.set("demo", world.rule, world.first, actor="Sena")
    assert judge(caught.value.__cause__ or caught.value).error_class in ("network", "environment")
    assert not refused(caught.value.__cause__ or caught.value)  # type: ignore[arg-type]
    world.clock.advance(20)
    with pytest.raises(NotApplied):
        rules.apply_pending("demo")
    assert len(rules.list("demo")) == 1
    for _ in range(3):
        world.clock.advance(11)
        with pytest.raises(NotApplied):
            rules.apply_pending("demo")
    failed, undo = rules.list("demo")
    assert failed.failed_at is not None
    assert (undo.undoes, undo.pending) == (failed.event_id, True)
    assert world.expected() == before
    (alarm,) = world.store.notices.alarms(standing=True)
    assert alarm.kind == "rule_failed"
    # It comes back: the loop is told what it should have, and nothing counts as an effect.
    if world.peer.away is None:
        (world.peer.home / "loops").unlink()
    world.rules.apply_pending("demo")
    assert world.peer.seen() == before
    if world.peer.acknowledge is not None:
        world.peer.acknowledge(undo.event_id, None)
        world.rules.apply_pending("demo")
    assert world.store.rules.unapplied("demo") == []
    assert world.store.effects.due("demo", EffectOptions(), world.clock.now() + timedelta(hours=1)) == []


def test_its_name_is_its_kind(peer: Peer, tmp_path: Path) -> None:
    assert peer.make().name == peer.spec.actuator.partition(":")[0]
