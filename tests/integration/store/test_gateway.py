"""Gateways and commands, the same on both databases; of several that move one gateway at once, one does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from support.gateways import BY, RULES
from support.store_records import T0, event

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.gateway import Act, Gateway, Key, LoopSetting, Moved, Status, Step
from lumen_workers.domain.journal import COMMAND, GATEWAY

KEY = Key(signer="kim", phrase_sha256="a" * 64, confirm_sha256="b" * 64)
INIT = Step(act=Act.INIT, status=Status.INITIALIZING, by=BY, detail={"gateway": "lumen_field_v0_8"})
BIND = Step(act=Act.BIND, status=Status.BINDING, by=BY)
SIGN = Step(act=Act.SIGN, status=Status.BINDING, by=BY, why="phrase set", key=KEY)
RESONATE = Step(act=Act.RESONATE, status=Status.RESONATING, by="a/h/1")
LOCK = Step(act=Act.LOCK, status=Status.LOCKED, by=BY)
DESYNC = Step(act=Act.DESYNC, status=Status.RESONATING, by="a/h/1", why="silence")


def moved(found: Moved | None) -> Gateway:
    assert found is not None
    return found.gateway


def locked(store: SqlStore) -> Gateway:
    return moved(store.gateways.move("main", None, [INIT, BIND, SIGN, RESONATE, LOCK]))


def test_a_gateway_comes_back_as_it_was_left(store: SqlStore) -> None:
    assert store.gateways.get("main") is None
    first = moved(store.gateways.move("main", None, [INIT]))
    assert (first.status, first.version, first.key) == (Status.INITIALIZING, 1, None)
    signed = moved(store.gateways.move("main", first, [BIND, SIGN]))
    assert (signed.status, signed.version, signed.key) == (Status.BINDING, 3, KEY)
    assert store.gateways.get("main") == signed
    assert store.gateways.rows() == [signed]
    resonating = moved(store.gateways.move("main", signed, [RESONATE]))
    assert resonating.since > signed.since
    assert resonating.key == KEY
    other = moved(store.gateways.move("demo", None, [INIT]))
    assert store.gateways.rows() == [other, resonating]


def test_since_is_when_the_status_came(store: SqlStore) -> None:
    bound = moved(store.gateways.move("main", None, [INIT, BIND]))
    signed = moved(store.gateways.move("main", bound, [SIGN]))
    assert signed.since == bound.since
    assert signed.entry_id != bound.entry_id


def test_each_step_is_a_line_and_an_audit_line(store: SqlStore) -> None:
    gateway = moved(store.gateways.move("main", None, [INIT, BIND, SIGN], command={"cmd": "x", "by": BY}))
    rows = store.journal.rows(GATEWAY, "main")
    assert [(r.data["tag"], r.data["from"], r.data["to"]) for r in rows] == [
        ("INIT", None, "initializing"),
        ("BIND", "initializing", "binding"),
        ("SIGN", "binding", "binding"),
    ]
    assert rows[0].data["gateway"] == "lumen_field_v0_8"
    assert rows[-1].entry_id == gateway.entry_id
    assert [row.data["cmd"] for row in store.journal.rows(COMMAND)] == ["x"]
    lines = store.audit.rows(subject="gateway/main")
    assert [line.event for line in lines] == ["gateway init", "gateway bind", "gateway sign"]
    assert KEY.phrase_sha256 not in str(lines) + str(store.journal.rows())


def test_a_step_from_an_older_gateway_leaves_nothing(store: SqlStore) -> None:
    first = moved(store.gateways.move("main", None, [INIT]))
    second = moved(store.gateways.move("main", first, [BIND]))
    mark, audit = store.loops.watermark(), len(store.audit.rows())
    for before in (None, first, replace(second, version=7), replace(second, key=KEY)):
        assert store.gateways.move("main", before, [SIGN], command={"cmd": "x"}, undo=RULES) is None
    assert (store.loops.watermark(), len(store.audit.rows())) == (mark, audit)
    assert store.gateways.get("main") == second
    with pytest.raises(NotFound, match="ghost"):
        store.gateways.move("ghost", None, [INIT])


def test_two_regions_see_one_desync_and_one_rolls_back(store: SqlStore, url: str) -> None:
    before = locked(store)
    for value in (0.33, 0.31):
        last = store.rules.append("main", RULES["risk_max"], value, actor="Lumen", automatic=True)
    others = [open_store(url) for _ in range(4)]
    together = Barrier(len(others))

    def region(other: SqlStore) -> Callable[[], Moved | None]:
        def look() -> Moved | None:
            found = other.gateways.get("main")
            together.wait(10)
            return other.gateways.move("main", found, [DESYNC], undo=RULES)

        return look

    with ThreadPoolExecutor(len(others)) as pool:
        ends = [future.result(60) for future in [pool.submit(region(other)) for other in others]]
    for other in others:
        other.close()
    (one,) = [end for end in ends if end is not None]
    assert one.undone is not None
    assert one.undone.undoes == last.event_id
    assert one.gateway.version == before.version + 1
    assert [e.new for e in store.rules.events("main")] == [0.33, 0.31, 0.33]
    assert [e.event_id for e in store.rules.unapplied("main")][-1] == one.undone.event_id
    assert [row.data["tag"] for row in store.journal.rows(GATEWAY)].count("DESYNC") == 1
    assert store.journal.rows(GATEWAY, limit=1)[0].data["undone"] == last.event_id


@pytest.mark.parametrize("case", ["none", "undone", "changed since", "not declared", "out of bounds", "a person's"])
def test_what_is_not_rolled_back(store: SqlStore, case: str) -> None:
    gateway, specs = locked(store), dict(RULES)
    spec = specs["risk_max"]
    if case != "none":
        event_ = store.rules.append("main", spec, 0.31, actor="Lumen", automatic=case != "a person's")
    if case == "undone":
        store.rules.append("main", spec, 0.35, actor="kim", undoes=event_.event_id)
        store.rules.append("main", spec, 0.31, actor="kim")
    if case == "changed since":
        store.rules.append("main", spec, 0.38, actor="kim")
    if case == "not declared":
        del specs["risk_max"]
    if case == "out of bounds":
        specs["risk_max"] = replace(spec, max=0.34)
    count = len(store.rules.events("main"))
    found = store.gateways.move("main", gateway, [DESYNC], undo=specs)
    assert found is not None
    assert (found.gateway.status, found.undone) == (Status.RESONATING, None)
    assert len(store.rules.events("main")) == count
    assert "undone" not in store.journal.rows(GATEWAY, limit=1)[0].data


def test_an_imported_change_is_not_what_lumen_did_here_last(store: SqlStore) -> None:
    gateway = locked(store)
    own = store.rules.append("main", RULES["creative_min"], 0.25, actor="Lumen", automatic=True)
    store.rules.insert([event("old", rule="risk_max", old=0.35, new=0.3, ts=T0, automatic=True)])
    found = store.gateways.move("main", gateway, [DESYNC], undo=RULES)
    assert found is not None
    assert found.undone is not None
    assert found.undone.undoes == own.event_id


def test_a_command_holds_and_is_told(store: SqlStore) -> None:
    plain = LoopSetting(loop="main", rate_hz=None, declared_hz=None, sync_mode="observer_resonance")
    assert store.loops.settings()["main"] == plain
    entry = store.loops.command("main", by=BY, note="slower", rate_hz=2, declared_hz=5)
    assert entry.data == {"cmd": "loop.set", "rate_hz": 2, "by": BY, "note": "slower"}
    assert store.journal.rows(COMMAND, "main") == [entry]
    assert store.loops.rates()["main"] == 2
    store.loops.command("main", by=BY, sync_mode="free")
    assert store.loops.settings()["main"] == replace(plain, rate_hz=2, declared_hz=5, sync_mode="free")
    assert store.loops.settings()["demo"] == replace(plain, loop="demo")
    assert [line.event for line in store.audit.rows(subject="loop/main")] == ["loop.set", "loop.set"]
    with pytest.raises(NotFound, match="ghost"):
        store.loops.command("ghost", by=BY, rate_hz=2, declared_hz=5)


def test_imported_lines_move_nothing(store: SqlStore) -> None:
    other = open_store("sqlite://")
    other.loops.register("main", 5, "host")
    other.loops.command("main", by=BY, rate_hz=10, declared_hz=5)
    locked(other)
    assert store.journal.insert(other.journal.rows()) == 6
    other.close()
    assert store.gateways.get("main") is None
    assert store.loops.rates()["main"] == 5
