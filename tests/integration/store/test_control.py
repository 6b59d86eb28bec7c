"""Signs of life, switches, the audit log and counters."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from support.store_records import SPEC

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import Paused
from lumen_workers.domain.regions import PAUSE, drain_switch
from lumen_workers.trust.audit.rows import GENESIS, hash_of


def test_a_pulse_is_overwritten_in_place(store: SqlStore) -> None:
    store.pulses.beat("a", "jobs", "h1", "a/h1/1", "ab" * 32)
    [first] = store.pulses.rows()
    store.pulses.beat("a", "jobs", "h1", "a/h1/1", "ab" * 32)
    [second] = store.pulses.rows()
    assert (second.started, second.seen > first.seen) == (first.started, True)
    store.pulses.beat("a", "jobs", "h1", "a/h1/2", "ab" * 32)
    [third] = store.pulses.rows()
    assert third.started > first.started, "another process took over"
    store.pulses.beat("a", "beat", "h2", "a/h2/1", "ab" * 32)
    assert [(p.lane, p.host) for p in store.pulses.rows()] == [("beat", "h2"), ("jobs", "h1")]
    store.pulses.beat("a", "jobs", "h3", "a/h3/1", "ab" * 32)
    assert store.pulses.prune(store.now() + timedelta(seconds=1)) == 1
    kept = [(p.lane, p.host) for p in store.pulses.rows()]
    assert kept == [("beat", "h2"), ("jobs", "h3")], "a lane's newest sign stays: it tells since when it is silent"


def test_a_switch_is_turned_once_and_told(store: SqlStore) -> None:
    assert store.switches.turn_on(drain_switch("a"), "a/h/kim", "new disk") is True
    assert store.switches.turn_on(drain_switch("a"), "a/h/lee") is False
    assert [(s.name, s.by, s.note) for s in store.switches.rows()] == [("drain/a", "a/h/kim", "new disk")]
    assert store.switches.turn_off(drain_switch("a"), "a/h/lee") is True
    assert store.switches.turn_off(drain_switch("a"), "a/h/lee") is False
    assert [(e.event, e.actor) for e in store.audit.rows(subject="drain/a")] == [
        ("switched on", "a/h/kim"),
        ("switched off", "a/h/lee"),
    ]


def test_a_pause_refuses_automatic_changes_only(store: SqlStore) -> None:
    store.switches.turn_on(PAUSE, "a/h/kim")
    with pytest.raises(Paused, match="lumen resume"):
        store.rules.append("main", SPEC, 0.3, actor="tuner", automatic=True)
    assert store.rules.append("main", SPEC, 0.3, actor="kim").new == 0.3
    store.switches.turn_off(PAUSE, "a/h/kim")
    assert store.rules.append("main", SPEC, 0.25, actor="tuner", automatic=True).automatic


def test_the_audit_log_is_one_chain_for_each_region(store: SqlStore) -> None:
    for number in range(3):
        store.audit.append(
            "a/h/1", "did", subject=f"s{number}", trace_id="t" * 32, detail={"n": number, "ü": [1, None]}
        )
    store.audit.append("b/h/1", "did", subject="s0")
    assert {chain: length for chain, (length, _) in store.audit.chains().items()} == {"a": 3, "b": 1}
    previous = GENESIS
    for number, entry in enumerate(store.audit.walk("a"), start=1):
        assert (entry.seq, entry.prev, entry.hash) == (number, previous, hash_of(entry))
        previous = entry.hash
    assert store.audit.chains()["a"] == (3, previous)
    assert [e.detail["n"] for e in store.audit.rows(trace_id="t" * 32)] == [0, 1, 2]
    assert [e.subject for e in store.audit.rows(limit=1)] == ["s0"]
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE audit SET actor = 'c/h/1' WHERE chain = 'a' AND seq = 2"))
    edited = list(store.audit.walk("a"))[1]
    assert hash_of(edited) != edited.hash


def test_writers_at_once_make_one_chain(store: SqlStore, url: str) -> None:
    def write() -> None:
        mine = open_store(url)
        for _ in range(15):
            mine.audit.append("a/h/1", "did")
        mine.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = list(store.audit.walk("a"))
    assert [entry.seq for entry in entries] == list(range(1, 61))
    assert all(after.prev == before.hash for before, after in itertools.pairwise(entries))


def test_counters_add_up_from_several_threads(store: SqlStore, url: str) -> None:
    def write(turn: int) -> None:
        mine = open_store(url)
        for _ in range(20):
            mine.tallies.add("lumen_x_total", {"region": "a", "reason": ("late", "early")[turn % 2]})
        mine.close()

    threads = [threading.Thread(target=write, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.tallies.add("other", {}, 5)
    assert [(t.name, t.labels.get("reason"), t.value) for t in store.tallies.rows("lumen_")] == [
        ("lumen_x_total", "early", 40),
        ("lumen_x_total", "late", 40),
    ]
    assert len(store.tallies.rows()) == 3
    with pytest.raises(ValueError, match="rises"):
        store.tallies.add("other", {}, -1)
