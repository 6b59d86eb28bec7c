"""Short answers from the history, the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support import store_records as records
from support.metrics import claim, stage

from lumen_workers.adapters.store import SqlStore
from lumen_workers.domain.notices import LetterState
from lumen_workers.domain.records import EffectStatus
from lumen_workers.domain.runs import Run, RunStatus


def run(number: int, region: str = "a", *, pipeline: str = "daily") -> Run:
    """Runs in the order of their numbers, a minute apart."""
    return records.run(
        region,
        run_id=f"{pipeline}-{number}-{region}",
        pipeline=pipeline,
        day=records.DAY + timedelta(days=number),
        queued_at=records.T0 + timedelta(minutes=number),
    )


def test_last_end_and_last_stages(store: SqlStore) -> None:
    assert store.runs.last_ended("daily") is None
    assert store.runs.last_stages("daily", ["build", "pdf"]) == []
    old, other, new, lost, open_ = run(1), run(2, pipeline="other"), run(3, "b"), run(4), run(5)
    lease = claim(store, old)
    for name in ("build", "pdf"):
        stage(store, old, lease, name)
    ended = store.runs.finish(old.run_id, lease, digest="d").ended
    assert store.runs.last_ended("daily") == ended
    lease = claim(store, other)
    stage(store, other, lease, "build", error_class="build")
    store.runs.finish(other.run_id, lease, digest="d")
    lease = claim(store, new)
    stage(store, new, lease, "build", error_class="network")
    failed = store.runs.fail(new.run_id, lease, verdict=records.verdict("network"), error="no")
    lease = claim(store, lost)
    store.runs.lose(lost.run_id, "a/h/1", "gone")
    lease = claim(store, open_)
    begun = replace(store.runs.get(new.run_id).stages[0], run_id=open_.run_id, ended=None)
    store.runs.stage_started(begun, lease)
    assert store.runs.last_ended("daily") == failed.ended
    found = store.runs.last_stages("daily", ["build", "pdf", "nosuch"])
    assert [(s.name, s.run_id, s.error_class) for s in found] == [
        ("build", new.run_id, "network"),
        ("pdf", old.run_id, None),
    ]


def test_failed_runs_of_late(store: SqlStore) -> None:
    for number in range(6):
        made = run(number)
        lease = claim(store, made)
        if number % 2:
            stage(store, made, lease, "build", error_class="build")
            store.runs.fail(made.run_id, lease, verdict=records.verdict("build"), error="no")
        else:
            store.runs.finish(made.run_id, lease, digest="d")
    found = store.runs.failed(records.T0 + timedelta(minutes=2), 10)
    assert [r.run_id for r in found] == ["daily-3-a", "daily-5-a"]
    assert {(r.status, len(r.stages)) for r in found} == {(RunStatus.FAILED, 1)}
    assert [r.run_id for r in store.runs.failed(records.T0, 2)] == ["daily-3-a", "daily-5-a"]
    assert store.runs.failed(records.T0 + timedelta(days=1), 10) == []


def test_the_latest_effect_of_each_rule(store: SqlStore) -> None:
    assert store.effects.latest("main") == []
    rows = [
        (records.event("e1"), EffectStatus.COMPUTED),
        (records.event("e2", rule="risk_max"), EffectStatus.COMPUTED),
        (records.event("e3"), EffectStatus.COMPUTED),
        (records.event("e4"), EffectStatus.INSUFFICIENT),
        (records.event("e5", rule="other"), EffectStatus.INSUFFICIENT),
        (records.event("e6", loop="demo"), EffectStatus.COMPUTED),
    ]
    store.rules.insert([event for event, _ in rows])
    store.effects.add([records.effect(event, status=status) for event, status in rows])
    found = store.effects.latest("main")
    assert [(event.event_id, effect.event_id) for event, effect in found] == [("e3", "e3"), ("e2", "e2")]
    assert found[0][0].applied_at == records.T0


def test_since_when_an_entry_is_known(store: SqlStore) -> None:
    assert store.ticks.known_since("daily") is None
    first = store.ticks.since("daily", "a")
    assert store.ticks.since("daily", "b") > first
    assert store.ticks.known_since("daily") == first
    assert store.ticks.known_since("effects") is None


@pytest.mark.parametrize("handled", [LetterState.REPLAYED, LetterState.DISCARDED])
def test_letters_are_counted_by_state(store: SqlStore, handled: LetterState) -> None:
    assert set(store.notices.letter_counts().values()) == {0}
    letters = [store.notices.refuse("lumen.daily", "a", "no", "{}", None) for _ in range(3)]
    store.notices.handle(letters[0].letter_id, handled, "a/h/kim")
    counts = store.notices.letter_counts()
    assert (counts["kept"], counts[handled.value], sum(counts.values())) == (2, 1, 3)


def test_the_newest_runs_of_each_region(store: SqlStore) -> None:
    assert store.runs.recent(["a", "b"], 2) == {"a": [], "b": []}
    for number in range(4):
        lease = claim(store, run(number))
        if number == 2:
            store.runs.fail(run(number).run_id, lease, verdict=records.verdict("network"), error="no")
    store.runs.create(run(1, "b"), "b/h/1")
    store.runs.create(run(1, "other"), "other/h/1")
    store.runs.create(replace(run(3, pipeline="weekly"), day=records.DAY), "a/h/1")
    found = store.runs.recent(["a", "b", "c"], 2)
    assert list(found) == ["a", "b", "c"]
    assert [head.run_id for head in found["a"]] == ["weekly-3-a", "daily-3-a"], "two of one instant, of three that fit"
    assert [(head.run_id, head.region, head.status) for head in found["b"]] == [("daily-1-b", "b", RunStatus.QUEUED)]
    assert found["c"] == []
    third = store.runs.recent(["a"], 3)["a"][2]
    assert (third.run_id, third.status, third.error_class) == ("daily-2-a", RunStatus.FAILED, "network")
    assert third.ended == store.runs.get(third.run_id).ended
