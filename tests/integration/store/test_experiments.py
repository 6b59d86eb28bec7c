"""Experiments and watched changes in the store: every step happens once, whoever else takes it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.store_records import experiment

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import NotFound, Paused, UsageError
from lumen_workers.domain.experiments import ExperimentState, Period
from lumen_workers.domain.journal import BRACKET, DECISION
from lumen_workers.domain.records import RuleSpec
from lumen_workers.domain.regions import PAUSE

T = datetime(2026, 1, 5, 9, tzinfo=UTC)
SPEC = RuleSpec(name="risk_max", initial=0.35, min=0.2, max=0.4)


def period(number: int = 1, value: float = 0.3, name: str = "xp-1") -> Period:
    return Period(experiment_id=name, number=number, arm="B", value=value, opened=T, pair=1, plan={"why": [1]})


def opened(store: SqlStore, wanted: Period) -> Period:
    made = store.experiments.open(wanted, SPEC, actor="Lumen", note="n")
    assert made is not None
    return made


def test_a_loop_runs_one_experiment_at_a_time(store: SqlStore) -> None:
    assert store.experiments.start(experiment()) == store.experiments.get("xp-1")
    with pytest.raises(UsageError, match=r"xp-1 is running.*experiment stop xp-1"):
        store.experiments.start(experiment("xp-2"))
    store.experiments.start(experiment("xp-3", loop="demo"))
    assert [e.experiment_id for e in store.experiments.rows(running=True)] == ["xp-1", "xp-3"]
    with pytest.raises(NotFound, match="xp-9"):
        store.experiments.get("xp-9")


def test_an_id_is_used_once(store: SqlStore) -> None:
    store.experiments.start(experiment())
    end: dict[str, Any] = {"reason": "r", "result": None, "spec": SPEC, "final": None, "actor": "Lumen"}
    assert store.experiments.finish("xp-1", ExperimentState.STOPPED, **end) == (True, None)
    with pytest.raises(UsageError, match="xp-1 is there already"):
        store.experiments.start(experiment())


def test_a_switch_and_its_period_are_recorded_together_and_once(store: SqlStore) -> None:
    store.experiments.start(experiment())
    first = opened(store, period())
    assert store.experiments.open(period(), SPEC, actor="Lumen", note="n") is None
    (event,) = store.rules.events("main")
    assert (event.event_id, event.new, event.automatic) == (first.event_id, 0.3, True)
    assert store.experiments.periods("xp-1") == [first]
    assert first.began is None
    assert store.experiments.switches([event.event_id, "ev-other"]) == {event.event_id}


def test_a_value_that_the_rule_has_needs_no_switch(store: SqlStore) -> None:
    store.experiments.start(experiment())
    opened(store, period())
    second = opened(store, period(2))
    assert (second.event_id, second.began) == (None, second.opened)
    assert len(store.rules.events("main")) == 1


def test_a_refused_switch_leaves_no_period(store: SqlStore) -> None:
    store.experiments.start(experiment())
    with pytest.raises(UsageError, match=r"0\.2 to 0\.4"):
        store.experiments.open(period(value=0.7), SPEC, actor="Lumen", note="n")
    store.switches.turn_on(PAUSE, "r/h/somebody")
    with pytest.raises(Paused):
        store.experiments.open(period(), SPEC, actor="Lumen", note="n")
    assert store.experiments.periods("xp-1") == []


def test_a_period_begins_begins_anew_and_ends_once(store: SqlStore) -> None:
    store.experiments.start(experiment())
    first = opened(store, period())
    assert store.experiments.begin("xp-1", 1, T)
    assert not store.experiments.begin("xp-1", 1, T + timedelta(seconds=9))
    assert store.experiments.again(first, T + timedelta(seconds=60))
    assert not store.experiments.again(first, T + timedelta(seconds=61))
    (now,) = store.experiments.periods("xp-1")
    assert (now.began, now.restarts) == (T + timedelta(seconds=60), 1)
    means = {"risk_band": 0.25}
    close: dict[str, Any] = {"at": T + timedelta(seconds=180), "n": 500, "means": means, "reward": None}
    close["log"] = {"n": 500}
    assert not store.experiments.close(first, **close)  # it has begun anew since
    assert store.experiments.close(now, **close)
    assert not store.experiments.close(now, **close)
    (ended,) = store.experiments.periods("xp-1")
    assert (ended.means, ended.n, ended.ended) == (means, 500, T + timedelta(seconds=180))
    lines = [entry.data for entry in store.journal.rows(BRACKET)]
    assert [line["line"] for line in lines] == ["started", "period"]
    assert (lines[0]["seed"], lines[0]["config"]) == (2**62, {"a": 0.34, "b": 0.3})
    assert (lines[1]["experiment"], lines[1]["n"]) == ("xp-1", 500)


def test_a_period_may_end_without_means(store: SqlStore) -> None:
    store.experiments.start(experiment())
    first = opened(store, period())
    assert store.experiments.close(first, at=T, n=3, means=None, reward=None)
    (ended,) = store.experiments.periods("xp-1")
    assert (ended.means, ended.ended, ended.reward) == (None, T, None)
    assert [entry.data["line"] for entry in store.journal.rows(BRACKET)] == ["started"]


def test_an_end_gives_the_rule_back_once_even_while_paused(store: SqlStore) -> None:
    store.experiments.start(experiment())
    opened(store, period())
    store.switches.turn_on(PAUSE, "r/h/somebody")
    assert store.experiments.ask_stop("xp-1", "me")
    assert not store.experiments.ask_stop("xp-1", "you")
    assert store.experiments.hold("xp-1", "paused")
    assert not store.experiments.hold("xp-1", "paused")
    end: dict[str, Any] = {"reason": "stopped by me", "result": {"n": 1}, "spec": SPEC, "final": 0.35, "actor": "Lumen"}
    ended, event = store.experiments.finish("xp-1", ExperimentState.STOPPED, **end)
    assert ended
    assert event is not None
    assert (event.old, event.new, event.automatic) == (0.3, 0.35, False)
    assert store.experiments.switches([event.event_id]) == {event.event_id}
    assert store.experiments.finish("xp-1", ExperimentState.DONE, **end) == (False, None)
    told = [entry.data for entry in store.journal.rows(BRACKET)][-1]
    assert (told["line"], told["state"], told["reason"], told["result"]) == (
        "ended",
        "stopped",
        "stopped by me",
        {"n": 1},
    )
    found = store.experiments.get("xp-1")
    assert (found.state, found.held, found.stop_by, found.result) == (ExperimentState.STOPPED, None, "me", {"n": 1})
    assert not store.experiments.ask_stop("xp-1", "you")
    assert store.experiments.open(period(2), SPEC, actor="Lumen", note="n") is None


def test_workers_at_once_take_each_step_once(url: str) -> None:
    stores = [open_store(url) for _ in range(4)]
    stores[0].loops.register("main", 5, "host")
    stores[0].experiments.start(experiment())

    def race(store: SqlStore) -> tuple[bool, bool]:
        first = store.experiments.open(period(), SPEC, actor="Lumen", note="n") is not None
        ended, _ = store.experiments.finish(
            "xp-1", ExperimentState.DONE, reason="r", result={}, spec=SPEC, final=0.35, actor="Lumen"
        )
        return first, ended

    with ThreadPoolExecutor(len(stores)) as pool:
        found = list(pool.map(race, stores))
    assert sum(ended for _, ended in found) == 1
    assert sum(first for first, _ in found) <= 1
    values = [event.new for event in stores[0].rules.events("main")]
    assert values in ([0.3, 0.35], [])
    for store in stores:
        store.close()


def test_a_tuned_change_its_decision_and_its_watch_are_one(store: SqlStore) -> None:
    watch = store.watches.apply("td-1", "main", SPEC, 0.33, actor="Lumen", note="n", log={"why": "w"})
    assert watch is not None
    (event,) = store.rules.events("main")
    assert watch.event_id == event.event_id
    entry = store.journal.get("td-1")
    assert entry is not None
    assert (entry.kind, entry.data) == (DECISION, {"why": "w", "applied": event.event_id})
    assert store.watches.running("main") == watch
    assert store.watches.apply("td-2", "main", SPEC, 0.31, actor="Lumen", note="n", log={}) is None
    assert store.watches.last("main") is None


def test_nothing_is_tuned_while_an_experiment_runs(store: SqlStore) -> None:
    store.experiments.start(experiment())
    assert store.watches.apply("td-1", "main", SPEC, 0.33, actor="Lumen", note="n", log={}) is None
    assert store.rules.events("main") == []


def test_no_experiment_starts_under_a_watched_change(store: SqlStore) -> None:
    assert store.watches.apply("td-1", "main", SPEC, 0.33, actor="Lumen", note="n", log={}) is not None
    with pytest.raises(UsageError, match="the self-tuner is watching risk_max"):
        store.experiments.start(experiment())
    assert store.experiments.rows() == []


def test_a_watched_rule_that_is_gone_is_settled_without_a_change(store: SqlStore) -> None:
    watch = store.watches.apply("td-1", "main", SPEC, 0.33, actor="Lumen", note="n", log={})
    assert watch is not None
    assert store.watches.settle(watch, "rolled_back", "w", spec=None, back=True, actor="Lumen", log={}) == (True, None)
    assert store.watches.running("main") is None


def test_a_watch_ends_once_and_takes_back_what_nobody_has_changed_since(store: SqlStore) -> None:
    watch = store.watches.apply("td-1", "main", SPEC, 0.33, actor="Lumen", note="n", log={})
    assert watch is not None
    end: dict[str, Any] = {"spec": SPEC, "back": True, "actor": "Lumen", "log": {"kind": "outcome"}}
    done, event = store.watches.settle(watch, "rolled_back", "worse", **end)
    assert done
    assert event is not None
    assert (event.old, event.new, event.undoes) == (0.33, 0.35, watch.event_id)
    assert store.watches.settle(watch, "confirmed", "better", **end) == (False, None)
    last = store.watches.last("main")
    assert last is not None
    assert (last.outcome, last.why) == ("rolled_back", "worse")

    second = store.watches.apply("td-3", "main", SPEC, 0.33, actor="Lumen", note="n", log={})
    assert second is not None
    store.rules.append("main", SPEC, 0.25, actor="Sena")
    assert store.watches.settle(second, "rolled_back", "worse", **end) == (True, None)
    assert store.rules.current("main")["risk_max"].value == 0.25
