"""The gateway tick: what it moves, and that it leaves alone what it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.contexts import A, B, World
from support.gateways import BY, LOOPS, PHRASE, RULES, feed, gatekeeper, locked

from lumen_workers.adapters.actuators.none import NoneActuator
from lumen_workers.domain.gateway import Status
from lumen_workers.domain.journal import GATEWAY
from lumen_workers.loop.rules import Rules
from lumen_workers.pipelines.ticks import TICKS, gateway


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, loops=LOOPS)
    yield made
    made.close()


def look(world: World, region: str = A) -> str:
    rules = Rules(world.store, LOOPS, lambda _: NoneActuator())
    return gateway(world.context(region, rules=lambda: rules))


def status(world: World, loop: str = "main") -> Status:
    found = world.store.gateways.get(loop)
    assert found is not None
    return found.status


def test_it_is_a_tick_of_its_own() -> None:
    assert [tick.run for tick in TICKS if tick.name == "gateway"] == [gateway]


def test_a_home_without_a_gateway_has_nothing_to_move(world: World) -> None:
    gatekeeper(world.store)
    feed(world.store)
    assert look(world) == "nothing to move"
    assert world.store.gateways.rows() == []


def test_a_signed_gateway_resonates_once_samples_flow(world: World) -> None:
    gatekeeper(world.store).sign("main", PHRASE, BY)
    assert look(world) == "nothing to move"
    feed(world.store, aligned=False)
    assert look(world) == "main resonating"
    assert look(world, B) == "nothing to move"
    assert world.store.journal.rows(GATEWAY, limit=1)[0].data["by"] == f"{A}/host/1"


def test_stale_samples_end_a_lock_and_both_regions_undo_one_change(world: World) -> None:
    locked(world.store)
    for value in (0.33, 0.31):
        event = world.store.rules.append("main", RULES["risk_max"], value, actor="Lumen", automatic=True)
    world.clock.advance(30)
    assert look(world) == "nothing to move", "within the tolerance"
    world.clock.advance(1)
    assert look(world) == f"main resonating, {event.event_id} rolled back"
    assert look(world, B) == look(world) == "nothing to move"
    events = world.store.rules.events("main")
    assert [e.new for e in events] == [0.33, 0.31, 0.33]
    assert events[-1].applied_at == world.clock.now(), "the loop has it"


def test_a_loop_that_is_no_longer_declared_is_left_alone(world: World) -> None:
    locked(world.store)
    world.clock.advance(100)
    world.loops = {"demo": LOOPS["demo"]}
    assert look(world) == "nothing to move"
    assert status(world) is Status.LOCKED
