"""Changes that their loop did not take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.store_records import OPTIONS, SPEC, T0, event

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.records import RuleEvent, RuleSpec
from lumen_workers.domain.regions import PAUSE

WHY = "no acknowledgement within 30 s"
BY = "us-west-2/host/1"


def change(store: SqlStore, new: float, *, automatic: bool = False) -> RuleEvent:
    return store.rules.append("main", SPEC, new, actor="Sena", automatic=automatic)


def failed(store: SqlStore, of: RuleEvent, spec: RuleSpec | None = SPEC) -> RuleEvent | None:
    done, undo = store.rules.fail(of.event_id, spec, WHY, by=BY)
    assert done
    return undo


def test_it_is_noted_taken_back_and_told_together(store: SqlStore) -> None:
    moved = change(store, 0.3, automatic=True)
    undo = failed(store, moved)
    assert undo is not None
    assert (undo.actor, undo.old, undo.new, undo.automatic) == ("lumen", 0.3, 0.22, True)
    assert (undo.undoes, undo.repair, undo.note) == (moved.event_id, True, f"rollback of {moved.event_id}: {WHY}")
    known = store.rules.get(moved.event_id)
    assert (known.why, known.applied_at, known.repair, known.pending) == (WHY, None, False, False)
    assert known.failed_at is not None
    assert known.failed_at >= moved.ts
    assert store.rules.events("main") == [known, undo]
    assert store.rules.unapplied("main") == [undo]
    assert store.rules.current("main")["creative_min"].value == 0.22
    (alarm,) = store.notices.alarms(standing=True)
    assert (alarm.key, alarm.kind, alarm.severity) == ("rule_failed/main/creative_min", "rule_failed", "ticket")
    assert f"main did not take creative_min = 0.3 ({moved.event_id}): {WHY}; taken back to 0.22" in alarm.detail
    assert alarm.facts["event_id"] == moved.event_id
    (line,) = store.audit.rows(subject=moved.event_id)
    assert (line.event, line.actor, line.chain, line.detail["undo"]) == (
        "rule change failed",
        BY,
        "us-west-2",
        undo.event_id,
    )


def test_applied_and_failed_exclude_each_other_and_the_first_wins(store: SqlStore) -> None:
    first = change(store, 0.3)
    assert store.rules.applied(first.event_id, first.ts, "poll")
    assert store.rules.fail(first.event_id, SPEC, WHY) == (False, None)
    second = change(store, 0.25)
    undo = failed(store, second)
    assert undo is not None
    assert store.rules.fail(second.event_id, SPEC, WHY) == (False, None)
    assert not store.rules.applied(second.event_id, store.now(), "poll", by=BY)
    assert not store.rules.applied(second.event_id, store.now(), "poll", by=BY)
    known = store.rules.get(second.event_id)
    assert known.applied_at is None
    assert known.failed_at is not None
    assert [line.event for line in store.audit.rows(subject=second.event_id)] == [
        "rule change failed",
        "late acknowledgement",
    ]
    assert [e.new for e in store.rules.events("main")] == [0.3, 0.25, 0.3]


def test_what_takes_a_change_back_cannot_fail(store: SqlStore) -> None:
    undo = failed(store, change(store, 0.3))
    assert undo is not None
    assert store.rules.fail(undo.event_id, SPEC, WHY) == (False, None)
    assert store.rules.unapplied("main") == [undo]
    assert store.rules.applied(undo.event_id, store.now(), "webhook")
    assert store.rules.unapplied("main") == []


def test_there_is_no_effect_of_either(store: SqlStore) -> None:
    undo = failed(store, change(store, 0.3))
    assert undo is not None
    store.rules.applied(undo.event_id, undo.ts, "poll")
    later = change(store, 0.25)
    store.rules.applied(later.event_id, later.ts, "poll")
    due = store.effects.due("main", OPTIONS, store.now() + timedelta(hours=1))
    assert [e.event_id for e in due] == [later.event_id]


def test_a_change_that_a_later_one_replaced_is_not_taken_back(store: SqlStore) -> None:
    first, second = change(store, 0.25), change(store, 0.3)
    assert failed(store, first) is None
    assert store.rules.current("main")["creative_min"].value == 0.3
    assert "a later change has replaced it" in store.notices.alarms()[0].detail
    undo = failed(store, second)
    assert undo is not None
    # The loop never had the first one either.
    assert (undo.old, undo.new) == (0.3, 0.22)
    third = change(store, 0.34)
    back = failed(store, third)
    assert back is not None
    assert back.new == 0.22


def test_a_way_back_that_changes_nothing_needs_no_event(store: SqlStore) -> None:
    first = change(store, 0.25)
    by_hand = store.rules.append("main", SPEC, 0.22, actor="Sena", undoes=first.event_id)
    assert failed(store, first) is None
    assert failed(store, by_hand) is None
    assert [e.new for e in store.rules.events("main")] == [0.25, 0.22]


@pytest.mark.parametrize("spec", [None, replace(SPEC, min=0.28)])
def test_a_value_that_is_not_allowed_any_more_does_not_come_back(store: SqlStore, spec: RuleSpec | None) -> None:
    assert failed(store, change(store, 0.3), spec) is None
    assert store.rules.current("main")["creative_min"].value == 0.3
    assert "does not allow 0.22 back; set it by hand" in store.notices.alarms()[0].detail


def test_a_pause_of_automatic_changes_keeps_nothing_from_being_taken_back(store: SqlStore) -> None:
    moved = change(store, 0.3, automatic=True)
    store.switches.turn_on(PAUSE, "kim")
    undo = failed(store, moved)
    assert undo is not None
    assert undo.automatic


def test_the_ticket_is_over_when_the_loop_takes_a_change_again(store: SqlStore) -> None:
    undo = failed(store, change(store, 0.3))
    assert undo is not None
    store.rules.applied(undo.event_id, store.now(), "webhook")
    assert len(store.notices.alarms(standing=True)) == 1
    again = change(store, 0.25)
    store.rules.applied(again.event_id, store.now(), "webhook", by=BY)
    assert store.notices.alarms(standing=True) == []
    failed(store, change(store, 0.3))
    assert store.notices.alarms(standing=True)[0].occurrence == 2


def test_a_day_that_was_sealed_before_does_not_show_it(store: SqlStore) -> None:
    moved = change(store, 0.3)
    mark = store.loops.watermark()["main"]
    failed(store, moved)
    assert store.rules.events("main", upto=mark) == [moved]


def test_failures_are_imported_with_their_repairs(store: SqlStore) -> None:
    rows = [
        event("e1", applied_at=None, failed_at=T0, why=WHY),
        event("e2", old=0.24, new=0.22, undoes="e1", repair=True, ts=T0 + timedelta(seconds=1)),
    ]
    assert store.rules.insert(rows) == 2
    assert store.rules.insert(rows) == 0
    assert [replace(e, seq=0) for e in store.rules.events("main")] == rows
    assert store.rules.unapplied("main") == []
    assert store.effects.due("main", OPTIONS, store.now()) == []


def test_an_unknown_event(store: SqlStore) -> None:
    with pytest.raises(NotFound, match="ev-0"):
        store.rules.fail("ev-0", SPEC, WHY)


def test_two_regions_at_once_record_one_outcome(url: str) -> None:
    stores = [open_store(url) for _ in range(4)]
    try:
        stores[0].loops.register("main", 5, "host")
        for round_ in range(8):
            moved = change(stores[0], 0.23 + round_ / 100)
            together = threading.Barrier(len(stores))
            results: list[bool] = []

            def work(call: Callable[[], bool], together: threading.Barrier, results: list[bool]) -> None:
                together.wait()
                results.append(call())

            def fail(store: SqlStore, moved: RuleEvent) -> bool:
                return store.rules.fail(moved.event_id, SPEC, WHY)[0]

            def apply(store: SqlStore, moved: RuleEvent) -> bool:
                return store.rules.applied(moved.event_id, moved.ts, "poll")

            threads = [
                threading.Thread(
                    target=work,
                    args=(lambda s=s, m=moved, f=(fail if n % 2 else apply): f(s, m), together, results),
                )
                for n, s in enumerate(stores)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(results) == [False, False, False, True]
            known = stores[0].rules.get(moved.event_id)
            assert (known.applied_at is None) != (known.failed_at is None)
            repairs = [e for e in stores[0].rules.events("main") if e.undoes == moved.event_id]
            assert len(repairs) == (known.failed_at is not None)
    finally:
        for store in stores:
            store.close()
