"""Effects, quotes and risks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.store_records import OPTIONS, T0, effect, event, quote, risk

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.records import EffectOptions, EffectStatus, RuleEvent, SignalEffect

WIDE = EffectOptions(post_s=60.0, iqr=True)
S = timedelta(seconds=1)


def _events(store: SqlStore, count: int = 3) -> list[RuleEvent]:
    store.rules.insert([event(f"e{n}", ts=T0 + n * 100 * S, applied_at=T0 + (n * 100 + 1) * S) for n in range(count)])
    return store.rules.events("main")


def test_an_event_is_due_when_its_post_window_is_complete(store: SqlStore) -> None:
    first, second, _ = _events(store)
    assert store.effects.due("main", OPTIONS, T0 + 30.999999 * S) == []
    assert store.effects.due("main", OPTIONS, T0 + 31 * S) == [first]
    assert store.effects.due("main", WIDE, T0 + 60 * S) == []
    assert store.effects.due("main", OPTIONS, T0 + 131 * S) == [first, second]
    assert store.effects.due("demo", OPTIONS, T0 + 10**6 * S) == []


def test_an_unapplied_event_is_not_due_until_it_is_applied(store: SqlStore) -> None:
    store.rules.insert([event("never", applied_at=None), event("e", ts=T0 + S)])
    later = T0 + 3600 * S
    assert [e.event_id for e in store.effects.due("main", OPTIONS, later)] == ["e"]
    store.effects.add([effect(store.rules.get("e"))])
    assert store.effects.due("main", OPTIONS, later) == []
    store.rules.applied("never", T0, "file")
    assert [e.event_id for e in store.effects.due("main", OPTIONS, later)] == ["never"]


def test_one_effect_for_an_event_and_options(store: SqlStore) -> None:
    events = _events(store)
    later = T0 + 3600 * S
    mark = store.loops.watermark()["main"]
    given = [effect(e) for e in events]
    # Out of order, and one twice: what is left over stays due.
    assert store.effects.add([given[2], given[0], given[0]]) == 2
    assert store.effects.due("main", OPTIONS, later) == [events[1]]
    assert store.effects.due("main", WIDE, later) == events
    assert store.effects.add([replace(given[2], effect_id="other"), given[1]]) == 1
    assert store.effects.due("main", OPTIONS, later) == []
    assert store.effects.add([effect(events[0], options=WIDE)]) == 1
    assert store.effects.due("main", WIDE, later) == events[1:]
    numbers = sorted(e.seq for _, e in store.effects.rows())
    assert numbers == [mark + 1, mark + 2, mark + 3, mark + 4]
    with pytest.raises(NotFound, match="ghost"):
        store.effects.add([effect(event("ghost"))])


def test_rows_carry_the_whole_effect_and_its_event(store: SqlStore) -> None:
    first, second, _ = _events(store)
    thin = effect(first, status=EffectStatus.INSUFFICIENT, n_post=3, signals={"phase_diff": SignalEffect()})
    store.effects.add([effect(second), thin])
    (one_event, one), (two_event, two) = store.effects.rows("main")
    assert (one_event, two_event) == (first, second)
    assert one == replace(thin, seq=one.seq)
    assert two == replace(effect(second), seq=two.seq)
    assert store.effects.rows("main", event_id=second.event_id) == [(second, two)]
    assert store.effects.rows("main", start=T0 + S) == [(second, two)]
    assert store.effects.rows("main", end=second.ts) == [(first, one)]
    assert store.effects.rows("main", upto=min(one.seq, two.seq)) == [(second, two)]
    assert store.effects.rows("demo") == []


def test_findings_look_at_a_computed_effect_once(store: SqlStore) -> None:
    first, second, third = _events(store)
    given = [effect(first), effect(second), effect(third, status=EffectStatus.INSUFFICIENT)]
    store.effects.add(given)
    assert [e.effect_id for _, e in store.effects.unspoken("main")] == [g.effect_id for g in given[:2]]
    late, early = given[1].effect_id, given[0].effect_id
    assert store.findings.record(late, quote(late), risk(late)) is True
    assert [e.effect_id for _, e in store.effects.unspoken("main")] == [early]
    assert store.findings.record(late, quote(late, quote_id="again"), None) is False
    assert store.findings.record(early, None, None) is True
    assert store.effects.unspoken("main") == []
    (said,), (warned,) = store.findings.quotes(), store.findings.risks()
    assert said == quote(late, seq=said.seq)
    assert warned == risk(late, seq=warned.seq)
    assert {said.seq, warned.seq} == {store.loops.watermark()["main"], store.loops.watermark()["main"] - 1}
    with pytest.raises(NotFound, match="ghost"):
        store.findings.record("ghost", None, None)


def test_findings_are_narrowed(store: SqlStore) -> None:
    store.findings.insert(
        [quote("a"), quote("b", ts=T0 + S), quote("c", loop="demo")],
        [risk("a"), risk("b", ts=T0 + S)],
    )
    assert [q.effect_id for q in store.findings.quotes()] == ["c", "a", "b"]
    assert [q.effect_id for q in store.findings.quotes("main", start=T0 + S)] == ["b"]
    assert [q.effect_id for q in store.findings.quotes("main", end=T0 + S)] == ["a"]
    first = store.findings.quotes("main")[0].seq
    assert [q.effect_id for q in store.findings.quotes("main", upto=first)] == ["a"]
    assert [r.effect_id for r in store.findings.risks("main", end=T0 + S)] == ["a"]


def test_imported_findings_are_not_said_again(store: SqlStore) -> None:
    first, *_ = _events(store)
    given = effect(first)
    assert store.findings.insert([quote(given.effect_id)], [risk(given.effect_id)]) == 2
    assert store.findings.insert([quote(given.effect_id)], [risk(given.effect_id)]) == 0
    store.effects.add([given])
    assert store.effects.unspoken("main") == []
    assert store.findings.record(given.effect_id, quote(given.effect_id), None) is False
    assert len(store.findings.quotes()) == 1
