"""The gateway: its order, its guards, what a phrase is worth, and how a lock is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.gateways import BY, CONFIRM, PHRASE, RULES, feed, gatekeeper, locked
from support.store_records import T0

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import CheckFailed, NotFound, UsageError
from lumen_workers.domain.gateway import Act, Gateway, Status
from lumen_workers.domain.journal import COMMAND, GATEWAY
from lumen_workers.domain.regions import PAUSE
from lumen_workers.domain.signals import Block
from lumen_workers.loop.alignment import align
from lumen_workers.loop.gateway import MOVES, GatewayOptions, due, is_locked, why_not_locked
from lumen_workers.loop.phrases import digest

OPTIONS = GatewayOptions()
TOLERANCE = OPTIONS.limits.tolerance_s


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(T0)


@pytest.fixture
def store(clock: VirtualClock) -> Iterator[SqlStore]:
    opened = open_store("sqlite://", clock=clock)
    yield opened
    opened.close()


def tags(store: SqlStore) -> list[str]:
    return [entry.data["tag"] for entry in store.journal.rows(GATEWAY, "main")]


def gateway(store: SqlStore) -> Gateway:
    found = store.gateways.get("main")
    assert found is not None
    return found


def test_the_way_from_nothing_to_locked(store: SqlStore, clock: VirtualClock) -> None:
    made = gatekeeper(store)
    assert made.sign("main", PHRASE, BY, signer="kim").status is Status.BINDING
    clock.advance(10)
    feed(store)
    assert not is_locked(store, "main", OPTIONS)
    moved = made.look("main", "a/h/1")
    assert moved is not None
    assert moved.gateway.status is Status.RESONATING
    assert made.look("main", "a/h/1") is None
    clock.advance(1)
    assert made.lock("main", PHRASE, BY, "go").since == clock.now()
    assert is_locked(store, "main", OPTIONS)
    assert why_not_locked(store, "main", OPTIONS) is None
    assert tags(store) == ["INIT", "BIND", "SIGN", "RESONATE", "LOCK-IN"]
    rows = store.journal.rows(GATEWAY, "main")
    assert [(row.data["from"], row.data["to"]) for row in rows] == [
        (None, "initializing"),
        ("initializing", "binding"),
        ("binding", "binding"),
        ("binding", "resonating"),
        ("resonating", "locked"),
    ]
    assert rows[2].data["signer"] == "kim"
    (command,) = store.journal.rows(COMMAND, "main")
    assert command.data == {"cmd": "gateway.lock", "by": BY, "note": "go"}
    assert [line.event for line in store.audit.rows(subject="gateway/main")][-1] == "gateway lock-in"


def test_a_gateway_of_one_loop_is_not_anothers(store: SqlStore) -> None:
    locked(store)
    assert is_locked(store, "main", OPTIONS)
    assert why_not_locked(store, "demo", OPTIONS) == "loop 'demo' has no gateway; `lumen gateway sign` begins one"


def test_a_wrong_phrase_changes_nothing(store: SqlStore) -> None:
    made = gatekeeper(store)
    feed(store)
    before = made.sign("main", PHRASE, BY, confirm=CONFIRM)
    lines, audit = tags(store), len(store.audit.rows())
    with pytest.raises(CheckFailed, match="not the signing phrase; nothing was changed") as raised:
        made.sign("main", "another horse altogether", BY)
    assert "another horse" not in str(raised.value)
    for wrong in (PHRASE, "", CONFIRM.upper()):
        with pytest.raises(CheckFailed, match="not the confirm phrase"):
            made.lock("main", wrong, BY)
    assert (gateway(store), tags(store), len(store.audit.rows())) == (before, lines, audit)
    assert store.journal.rows(COMMAND) == []
    assert made.lock("main", CONFIRM, BY).status is Status.LOCKED


def test_a_refused_lock_leaves_even_a_lock_that_is_being_lost_to_the_tick(store: SqlStore, clock: VirtualClock) -> None:
    made = locked(store)
    last = change(store, 0.31)
    clock.advance(TOLERANCE + 1)
    before = gateway(store)
    with pytest.raises(UsageError, match="is locked: LOCK-IN is not possible"):
        made.lock("main", "another horse altogether", BY)
    assert gateway(store) == before
    assert store.rules.events("main")[-1].event_id == last


def test_signing_again_checks_and_keeps_the_phrase(store: SqlStore) -> None:
    made = locked(store)
    key = gateway(store).key
    assert made.sign("main", f"  {PHRASE}\n", BY).key == key
    assert gateway(store).status is Status.LOCKED
    assert tags(store)[-2:] == ["LOCK-IN", "SIGN"]


def test_the_same_phrase_typed_in_another_way_is_the_same() -> None:
    assert digest("café gateway") == digest("cafe\u0301 gateway\n")


def test_no_phrase_is_kept_anywhere(store: SqlStore) -> None:
    made = gatekeeper(store)
    feed(store)
    made.sign("main", PHRASE, BY, confirm=CONFIRM)
    made.lock("main", CONFIRM, BY)
    told = str(store.journal.rows()) + str(store.audit.rows())
    for secret in (PHRASE, CONFIRM, digest(PHRASE), digest(CONFIRM)):
        assert secret not in told
        assert secret[:16] not in told


def test_rekeying_is_told_and_not_possible_while_locked(store: SqlStore) -> None:
    made = locked(store)
    with pytest.raises(UsageError, match="REKEY is not possible; unlock first"):
        made.rekey("main", "a wholly new phrase", BY, why="lost")
    made.unlock("main", BY)
    with pytest.raises(UsageError, match="say why"):
        made.rekey("main", "a wholly new phrase", BY, why=" ")
    made.rekey("main", "a wholly new phrase", BY, why="kim has left", signer="lee")
    with pytest.raises(CheckFailed):
        made.lock("main", PHRASE, BY)
    assert made.lock("main", "a wholly new phrase", BY).status is Status.LOCKED
    line = next(line for line in store.audit.rows() if line.event == "gateway rekey")
    assert line.detail["why"] == "kim has left"
    assert (line.detail["signer"], line.detail["instead_of"]) == ("lee", BY)


@pytest.mark.parametrize("phrase", ["", "short", "x" * 11, "x" * 1001, "two\nlines of phrase"])
def test_a_phrase_that_could_be_guessed_is_not_set(store: SqlStore, phrase: str) -> None:
    with pytest.raises(UsageError, match="12 to 1000 characters"):
        gatekeeper(store).sign("main", phrase, BY)
    assert store.gateways.get("main") is None


def test_a_hash_in_the_file_allows_one_phrase_only(store: SqlStore) -> None:
    made = gatekeeper(store, GatewayOptions(phrase_sha256=digest(PHRASE)))
    with pytest.raises(CheckFailed, match=r"the hash that gateway_activation\.yaml names"):
        made.sign("main", "another horse altogether", BY)
    assert store.gateways.get("main") is None
    made.sign("main", PHRASE, BY)
    with pytest.raises(CheckFailed, match="the hash"):
        made.rekey("main", "another horse altogether", BY, why="lost")


def test_a_loop_of_another_rate_is_not_bound(store: SqlStore) -> None:
    made = gatekeeper(store)
    store.loops.register("main", 10, "mock")
    with pytest.raises(UsageError, match=r"runs at 10 Hz, and gateway_activation\.yaml binds loops of 5 Hz"):
        made.sign("main", PHRASE, BY)
    assert gatekeeper(store, GatewayOptions(rate_hz=None)).sign("main", PHRASE, BY).status is Status.BINDING


def test_a_loop_that_is_not_aligned_does_not_lock(store: SqlStore, clock: VirtualClock) -> None:
    made = gatekeeper(store)
    feed(store, aligned=False)
    made.sign("main", PHRASE, BY)
    with pytest.raises(CheckFailed, match=r"seeking, not phase-locked: phase_diff 0.500 is above 0.05"):
        made.lock("main", PHRASE, BY)
    clock.advance(20)
    with pytest.raises(CheckFailed, match=r"the newest sample is 20\.0 s old"):
        made.lock("main", PHRASE, BY)
    assert gateway(store).status is Status.RESONATING


def test_what_cannot_be_yet_is_refused(store: SqlStore) -> None:
    made = gatekeeper(store)
    with pytest.raises(UsageError, match="has no gateway yet; `lumen gateway sign` begins"):
        made.lock("main", PHRASE, BY)
    with pytest.raises(UsageError, match="no phrase yet"):
        made.rekey("main", PHRASE, BY, why="x")
    made.init("main", BY)
    made.bind("main", BY)
    with pytest.raises(UsageError, match="is binding: BIND is not possible"):
        made.bind("main", BY)
    feed(store)
    assert made.look("main", "a/h/1") is None, "unsigned"
    with pytest.raises(UsageError, match="UNLOCK is not possible"):
        made.unlock("main", BY)
    with pytest.raises(NotFound, match="unknown loop 'nosuch'"):
        made.sign("nosuch", PHRASE, BY)
    assert made.look("nosuch", BY) is None


def test_beginning_anew_keeps_the_phrase(store: SqlStore) -> None:
    made = locked(store)
    with pytest.raises(UsageError, match="unlock first"):
        made.init("main", BY)
    made.unlock("main", BY, "maintenance")
    key = gateway(store).key
    assert made.init("main", BY).key == key
    with pytest.raises(CheckFailed):
        made.sign("main", "another horse altogether", BY)
    assert made.sign("main", PHRASE, BY).status is Status.RESONATING
    assert tags(store)[-5:] == ["UNLOCK", "INIT", "BIND", "SIGN", "RESONATE"]


def test_a_lock_outlives_a_short_loss_and_not_a_long_one(store: SqlStore, clock: VirtualClock) -> None:
    made = locked(store)
    clock.advance(TOLERANCE - 5)
    feed(store, TOLERANCE - 5.2, aligned=False)
    assert made.look("main", "a/h/1") is None
    assert is_locked(store, "main", OPTIONS)
    clock.advance(10)
    feed(store, 9.8, aligned=False)
    assert not is_locked(store, "main", OPTIONS), "before any tick has seen it"
    assert "is losing its lock" in str(why_not_locked(store, "main", OPTIONS))
    moved = made.look("main", "a/h/1")
    assert moved is not None
    assert (moved.gateway.status, moved.undone) == (Status.RESONATING, None)
    assert why_not_locked(store, "main", OPTIONS) == "the gateway of loop 'main' is resonating, not locked"
    last = store.journal.rows(GATEWAY, "main", limit=1)[0].data
    assert last["why"] == "phase lock lost for more than 30 s: phase_diff 0.500 is above 0.05"


def test_a_loop_that_comes_back_in_time_keeps_its_lock(store: SqlStore, clock: VirtualClock) -> None:
    made = locked(store)
    for _ in range(4):
        clock.advance(25)
        feed(store, 24.8, aligned=False)
        clock.advance(10)
        feed(store, 9.8)
        assert made.look("main", "a/h/1") is None
    assert is_locked(store, "main", OPTIONS)


def test_silence_loses_the_lock_and_then_the_resonance(store: SqlStore, clock: VirtualClock) -> None:
    made = locked(store)
    clock.advance(TOLERANCE)
    assert made.look("main", "a/h/1") is None
    clock.advance(1)
    assert not is_locked(store, "main", OPTIONS)
    assert [made.look("main", "a/h/1") is None for _ in range(3)] == [False, True, True]
    assert gateway(store).status is Status.RESONATING
    clock.advance(TOLERANCE + 1)
    assert made.look("main", "a/h/1") is not None
    assert gateway(store).status is Status.BINDING
    assert made.look("main", "a/h/1") is None
    feed(store)
    assert made.look("main", "a/h/1") is not None
    assert tags(store)[-4:] == ["LOCK-IN", "DESYNC", "SILENT", "RESONATE"]


def change(store: SqlStore, value: float, *, rule_name: str = "risk_max", automatic: bool = True) -> str:
    event = store.rules.append("main", RULES[rule_name], value, actor="Lumen", automatic=automatic)
    return event.event_id


def desync(store: SqlStore, clock: VirtualClock, options: GatewayOptions = OPTIONS) -> str | None:
    """Silence; returns the event that was undone."""
    clock.advance(TOLERANCE + 1)
    moved = gatekeeper(store, options).look("main", "a/h/1")
    assert moved is not None
    assert moved.gateway.status is Status.RESONATING
    return moved.undone.undoes if moved.undone else None


def test_a_desync_rolls_the_last_automatic_change_back(store: SqlStore, clock: VirtualClock) -> None:
    locked(store)
    change(store, 0.33)
    last = change(store, 0.31)
    change(store, 0.25, rule_name="creative_min", automatic=False)
    assert desync(store, clock) == last
    back = store.rules.events("main")[-1]
    assert (back.rule, back.old, back.new, back.actor, back.undoes) == ("risk_max", 0.31, 0.33, "gateway", last)
    assert not back.automatic
    assert store.journal.rows(GATEWAY, "main", limit=1)[0].data["undone"] == last


def test_what_was_rolled_back_is_not_rolled_back_again(store: SqlStore, clock: VirtualClock) -> None:
    made = locked(store)
    change(store, 0.33)
    last = change(store, 0.31)
    assert desync(store, clock) == last
    feed(store)
    made.lock("main", PHRASE, BY)
    assert desync(store, clock) is None
    assert store.rules.current("main")["risk_max"].value == 0.33


def test_what_a_person_has_set_since_stays(store: SqlStore, clock: VirtualClock) -> None:
    locked(store)
    change(store, 0.31)
    change(store, 0.38, automatic=False)
    assert desync(store, clock) is None
    assert store.rules.current("main")["risk_max"].value == 0.38


def test_a_pause_does_not_hold_a_rollback_up(store: SqlStore, clock: VirtualClock) -> None:
    locked(store)
    last = change(store, 0.31)
    store.switches.turn_on(PAUSE, BY)
    assert desync(store, clock) == last


def test_the_file_can_say_that_nothing_is_rolled_back(store: SqlStore, clock: VirtualClock) -> None:
    options = GatewayOptions(rollback_on_desync=False)
    locked(store, options)
    change(store, 0.31)
    assert desync(store, clock, options) is None
    assert store.rules.current("main")["risk_max"].value == 0.31


def test_unlocking_by_hand_rolls_nothing_back(store: SqlStore) -> None:
    made = locked(store)
    change(store, 0.31)
    assert made.unlock("main", BY, "enough").status is Status.RESONATING
    assert store.rules.current("main")["risk_max"].value == 0.31
    assert [row.data["cmd"] for row in store.journal.rows(COMMAND, "main")] == ["gateway.lock", "gateway.unlock"]


def test_every_status_can_be_left_and_only_resonating_leads_to_locked() -> None:
    assert {before for moves in MOVES.values() for before in moves} == {None, *Status}
    into = {before for moves in MOVES.values() for before, after in moves.items() if after is Status.LOCKED}
    assert into == {Status.RESONATING, Status.LOCKED}
    out = {act for act, moves in MOVES.items() if moves.get(Status.LOCKED, Status.LOCKED) is not Status.LOCKED}
    assert out == {Act.UNLOCK, Act.DESYNC}


def test_the_pure_rule_never_locks() -> None:
    limits = OPTIONS.limits
    nothing = align(Block.empty(), 5, limits, 0)
    for status in Status:
        found = Gateway(loop="main", status=status, version=1, since=T0, entry_id="x")
        step = due(found, nothing, limits, T0 + timedelta(hours=1))
        assert step is None or MOVES[step[0]][status] is not Status.LOCKED
