"""The rule history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.store_records import SPEC, T0, event

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.records import RuleSpec

RISK = RuleSpec(name="risk_max", initial=0.35, min=0.2, max=0.4)


def test_old_is_the_initial_and_then_what_the_store_holds(store: SqlStore) -> None:
    before = store.now()
    first = store.rules.append("main", SPEC, 0.24, actor="Sena", note="위로")
    second = store.rules.append("main", SPEC, 0.2, actor="Lumen", automatic=True, undoes=first.event_id)
    other = store.rules.append("main", RISK, 0.3, actor="Sena")
    assert [(e.old, e.new) for e in (first, second, other)] == [(0.22, 0.24), (0.24, 0.2), (0.35, 0.3)]
    assert before <= first.ts <= second.ts <= store.now()
    assert first.seq < second.seq < other.seq
    assert store.rules.events("main") == [first, second, other]
    assert store.rules.get(second.event_id) == second
    current = store.rules.current("main")
    assert list(current) == ["creative_min", "risk_max"]
    assert (current["creative_min"].value, current["creative_min"].event_id) == (0.2, second.event_id)
    assert current["risk_max"].since == other.ts
    assert store.rules.current("demo") == {}


@pytest.mark.parametrize("value", [0.1799, 0.3501, float("nan"), float("inf"), -1.0])
def test_a_value_out_of_bounds_names_rule_value_and_range(store: SqlStore, value: float) -> None:
    with pytest.raises(UsageError, match=r"creative_min.*0\.18 to 0\.35"):
        store.rules.append("main", SPEC, value, actor="x")
    assert store.rules.events() == []
    assert store.loops.watermark()["main"] == 0


def test_bounds_are_allowed_and_no_change_is_refused(store: SqlStore) -> None:
    with pytest.raises(UsageError, match=r"already 0\.22"):
        store.rules.append("main", SPEC, 0.22, actor="x")
    store.rules.append("main", SPEC, 0.35, actor="x")
    store.rules.append("main", SPEC, 0.18, actor="x")
    with pytest.raises(UsageError, match=r"already 0\.18"):
        store.rules.append("main", SPEC, 0.18, actor="x")
    assert len(store.rules.events("main")) == store.loops.watermark()["main"] == 2


def test_unknown_names(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="nobody"):
        store.rules.append("nobody", SPEC, 0.3, actor="x")
    with pytest.raises(NotFound, match="ev-0"):
        store.rules.get("ev-0")
    with pytest.raises(NotFound, match="ev-0"):
        store.rules.applied("ev-0", T0, "none")


def test_applied_is_written_once_and_numbered(store: SqlStore) -> None:
    first = store.rules.append("main", SPEC, 0.24, actor="x")
    second = store.rules.append("main", SPEC, 0.25, actor="x")
    sealed = store.loops.watermark()["main"]
    assert store.rules.unapplied("main") == [first, second]
    store.rules.applied(second.event_id, T0, "file")
    assert store.rules.unapplied("main") == [first]
    store.rules.applied(second.event_id, T0 + timedelta(hours=1), "none")
    assert store.rules.get(second.event_id).applied_at == T0
    assert store.loops.watermark()["main"] == sealed + 1
    # A day sealed before stays as it was: the event had not been applied then.
    assert store.rules.events("main", upto=sealed) == [first, second]
    store.rules.applied(first.event_id, T0, "file")
    assert store.rules.unapplied("main") == []
    third = store.rules.append("main", SPEC, 0.26, actor="x")
    assert store.rules.unapplied("main") == [third]
    assert store.rules.unapplied("demo") == []


def test_events_are_narrowed_by_time_rule_loop_and_number(store: SqlStore) -> None:
    hour = timedelta(hours=1)
    given = [event(f"e{n}", ts=T0 + n * hour, rule="a" if n % 2 else "b") for n in range(4)]
    store.rules.insert([*given, event("d", loop="demo", ts=T0)])

    def ids(**narrow: object) -> list[str]:
        return [e.event_id for e in store.rules.events(**narrow)]  # type: ignore[arg-type]

    assert ids() == ["d", "e0", "e1", "e2", "e3"]
    assert ids(loop="main", start=T0 + hour, end=T0 + 3 * hour) == ["e1", "e2"]
    assert ids(loop="main", rule="a") == ["e1", "e3"]
    assert ids(loop="main", upto=2) == ["e0", "e1"]


def test_an_import_keeps_events_as_they_are_and_adds_nothing_twice(store: SqlStore) -> None:
    given = [
        event("e2", ts=T0 + timedelta(hours=1), new=0.3, undoes="e1"),
        event("e1", automatic=True, applied_at=None),
    ]
    assert store.rules.insert([*given, given[0]]) == 2
    assert store.rules.insert(given) == 0
    found = store.rules.events("main")
    assert [(e.event_id, e.seq) for e in found] == [("e1", 1), ("e2", 2)]
    assert found[0] == event("e1", automatic=True, applied_at=None, seq=1)
    assert found[1] == event("e2", ts=T0 + timedelta(hours=1), new=0.3, undoes="e1", seq=2)
    assert store.rules.unapplied("main") == [found[0]]
    assert store.rules.current("main")["creative_min"].value == 0.3
    with pytest.raises(NotFound):
        store.rules.insert([event("e9", loop="nobody")])


def test_imported_history_does_not_move_a_rule_that_was_set_here(store: SqlStore) -> None:
    store.rules.insert([event("late", ts=T0, new=0.3)])
    store.rules.insert([event("early", ts=T0 - timedelta(days=1), new=0.2)])
    assert store.rules.current("main")["creative_min"].event_id == "late"
    own = store.rules.append("main", SPEC, 0.25, actor="x")
    assert own.old == 0.3
    store.rules.insert([event("newer", ts=store.now() + timedelta(days=1), new=0.33)])
    assert store.rules.current("main")["creative_min"].event_id == own.event_id
