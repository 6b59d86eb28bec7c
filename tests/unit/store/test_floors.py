"""The short cuts of the recurring searches give what looking at everything would give."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from support.store_records import OPTIONS, SPEC, T0, effect, event, quote

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.records import EffectOptions, EffectStatus

CHOICES = (OPTIONS, EffectOptions(post_s=10.0))


@pytest.mark.parametrize("seed", range(15))
def test_searches_miss_nothing_and_repeat_nothing(seed: int) -> None:
    chance = random.Random(seed)
    clock = VirtualClock(T0)
    store = open_store("sqlite://", clock=clock)
    store.loops.register("main", 5, "mock")
    applied: dict[str, object] = {}
    with_effect: dict[EffectOptions, set[str]] = {options: set() for options in CHOICES}
    looked_at: set[str] = set()
    for step in range(60):
        clock.advance(chance.choice((0.0, 5.0, 40.0)))
        match chance.randrange(6):
            case 0:
                store.rules.append("main", SPEC, 0.2 + step / 1000, actor="x")
            case 1:
                when = clock.now() - timedelta(seconds=chance.randrange(100))
                if store.rules.insert([event(f"i{step}", ts=when, applied_at=when)]):
                    applied[f"i{step}"] = when
            case 2 if waiting := store.rules.unapplied("main"):
                chosen = chance.choice(waiting)
                store.rules.applied(chosen.event_id, clock.now(), "none")
                applied[chosen.event_id] = clock.now()
            case 3 | 4:
                options = chance.choice(CHOICES)
                due = store.effects.due("main", options, clock.now())
                some = chance.sample(due, chance.randint(0, len(due)))
                status = chance.choice(list(EffectStatus))
                assert store.effects.add([effect(e, options=options, status=status) for e in some]) == len(some)
                with_effect[options].update(e.event_id for e in some)
            case 5 if unspoken := store.effects.unspoken("main"):
                _, chosen_effect = chance.choice(unspoken)
                said = quote(chosen_effect.effect_id) if chance.random() < 0.5 else None
                assert store.findings.record(chosen_effect.effect_id, said, None)
                looked_at.add(chosen_effect.effect_id)
        events = store.rules.events("main")
        assert {e.event_id for e in store.rules.unapplied("main")} == {e.event_id for e in events} - set(applied)
        for options in CHOICES:
            ripe = {
                e.event_id
                for e in events
                if e.applied_at is not None and e.applied_at + timedelta(seconds=options.post_s) <= clock.now()
            }
            found = {e.event_id for e in store.effects.due("main", options, clock.now())}
            assert found == ripe - with_effect[options]
        computed = {e.effect_id for _, e in store.effects.rows() if e.status is EffectStatus.COMPUTED}
        assert {e.effect_id for _, e in store.effects.unspoken("main")} == computed - looked_at
    store.close()


def test_the_floor_follows_the_work() -> None:
    store = open_store("sqlite://", clock=VirtualClock(T0))
    store.loops.register("main", 5, "mock")
    store.rules.insert([event(f"e{n}") for n in range(50)])
    store.effects.add([effect(e) for e in store.rules.events("main") if e.event_id != "e9"])
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT search, seq FROM progress").all()
    (first_open,) = store.effects.due("main", OPTIONS, T0 + timedelta(hours=1))
    assert [tuple(row) for row in rows] == [(f"effects {OPTIONS.key()}", first_open.seq - 1)]
    store.close()
