"""The outbox: each thing told once to each recipient, or in doubt and said so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.contexts import A, B, Steps, World

from lumen_workers.adapters.channels.memory import MemoryChannel
from lumen_workers.archive.layout import FILES, report_path, snapshot_name
from lumen_workers.domain.errors import ExternalApiError, InDoubt, StoreUnavailable
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import SendState
from lumen_workers.domain.regions import SUPPRESS
from lumen_workers.engine.flow import advance, start
from lumen_workers.engine.outbox import HOLD, TRIES, deliver

DAY = date(2026, 1, 31)
TRACE = "ab" * 16
PAGE = AlarmSeverity.PAGE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def states(world: World) -> list[tuple[str, str]]:
    return sorted((send.kind, send.state.value) for send in world.store.sends.rows())


def raise_one(world: World, key: str = "day/daily/2026-01-31") -> None:
    world.store.notices.raise_alarm(key, "day_failed", PAGE, "it failed", facts={"region": A}, trace_id=TRACE)


def test_an_alarm_is_told_once_whoever_delivers_and_however_often(world: World) -> None:
    raise_one(world)
    for region in (A, B, A):
        deliver(world.context(region))
    [(recipient, telling)] = world.memory.told
    assert (recipient, telling.title, telling.text, telling.severity) == (
        "readers",
        "Lumen Daily FAIL",
        "it failed",
        "page",
    )
    assert (telling.trace_id, telling.facts["region"], telling.facts["key"]) == (TRACE, A, "day/daily/2026-01-31")
    assert states(world) == [("alarm", "sent")]
    world.store.notices.resolve("day/daily/2026-01-31", "kim")
    raise_one(world)
    deliver(world.context())
    assert len({told.message_id for _, told in world.memory.told}) == 2, "it came up again"


def test_what_was_surely_not_taken_is_tried_again_later_and_then_a_ticket(world: World) -> None:
    raise_one(world)
    for _ in range(TRIES):
        world.memory.fail_next(ExternalApiError("503"))
    for _ in range(TRIES):
        deliver(world.context())
        deliver(world.context())
        world.clock.advance(3600)
    assert ("alarm", "failed") in states(world)
    assert world.alarms() == {"day_failed", "send_failed"}
    deliver(world.context())
    assert [told.facts["kind"] for _, told in world.memory.told] == ["send_failed"]


def test_a_failure_that_will_not_pass_is_not_tried_again(world: World) -> None:
    raise_one(world)
    world.memory.fail_next(PermissionError(13, "no"))
    deliver(world.context())
    assert states(world)[0] == ("alarm", "failed")


def test_a_send_in_doubt_is_never_sent_again_and_a_person_is_asked(world: World) -> None:
    raise_one(world)
    world.memory.fail_next(InDoubt("the peer closed after the final dot"), taken=True)
    deliver(world.context())
    for _ in range(5):
        world.clock.advance(600)
        deliver(world.context(B))
    kinds = [told.facts["kind"] for _, told in world.memory.told]
    assert kinds == ["day_failed", "send_in_doubt"]
    [send] = world.store.sends.rows(state=SendState.IN_DOUBT)
    alarm = world.store.notices.alarm(f"send_in_doubt/{send.message_id}")
    assert alarm is not None
    assert "lumen outbox repeat|settle" in alarm.detail
    world.store.sends.decide(send.message_id, SendState.SENT, "a/h/kim")
    assert world.store.sends.rows(state=SendState.IN_DOUBT) == []


def test_doubt_about_an_alarm_about_a_send_makes_no_further_alarm(world: World) -> None:
    raise_one(world)
    world.memory.fail_next(InDoubt("?"), taken=True)
    world.memory.fail_next(InDoubt("?"), taken=True)
    for _ in range(4):
        deliver(world.context())
    assert world.alarms() == {"day_failed", "send_in_doubt"}


def test_a_worker_that_dies_while_it_sends_leaves_the_send_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_one(world)

    def dies(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(MemoryChannel, "tell", dies)
        with pytest.raises(SystemExit):
            deliver(world.context())
    deliver(world.context(B))
    assert world.memory.told == [], "its time has not run out"
    world.clock.advance(HOLD.total_seconds() + 1)
    deliver(world.context(B))
    assert ("alarm", "in_doubt") in states(world)


def test_a_way_out_that_may_repeat_is_used_again(world: World) -> None:
    world.memory.repeatable = True
    raise_one(world)
    world.memory.fail_next(InDoubt("?"), taken=True)
    deliver(world.context())
    assert states(world) == [("alarm", "sent")]
    assert len(world.memory.told) == 2
    assert world.alarms() == {"day_failed"}


def test_a_store_that_goes_away_after_a_send_leaves_it_in_doubt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_one(world)

    def away(*_: object, **__: object) -> bool:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.sends, "settle", away)
        with pytest.raises(StoreUnavailable):
            deliver(world.context())
    world.clock.advance(HOLD.total_seconds() + 1)
    deliver(world.context())
    assert [told.facts["kind"] for _, told in world.memory.told] == ["day_failed"]
    assert ("alarm", "in_doubt") in states(world)


def test_suppressed_alarms_stand_and_go_out_afterwards(world: World) -> None:
    world.store.switches.turn_on(SUPPRESS, "a/h/kim")
    raise_one(world)
    deliver(world.context())
    assert world.memory.told == []
    world.store.switches.turn_off(SUPPRESS, "a/h/kim")
    deliver(world.context())
    assert len(world.memory.told) == 1


def test_the_report_goes_to_each_recipient_once_whatever_is_retried(world: World) -> None:
    steps = Steps()
    for region in (A, B):
        start(world.context(region), steps.pipeline, DAY, TRACE)
    while messages := world.outbox.take():
        for m in messages:
            if (name := m.task.rpartition(".")[2]) in ("build", "freeze", "verify"):
                advance(world.context(m.region), steps.pipeline, name, m.payload["run_id"], m.payload["attempt"])
    [send] = world.store.sends.rows()
    assert (send.kind, send.subject, send.payload["region"], send.trace_id) == ("report", f"daily/{DAY}", A, TRACE)
    report = world.folder / "snapshot" / FILES / report_path(DAY, "pdf")
    report.parent.mkdir(parents=True)
    report.write_bytes(b"%PDF")
    world.remote.publish(snapshot_name(DAY, 1), world.folder / "snapshot")
    for region in (B, A):
        deliver(world.context(region))
    [(_, telling)] = world.memory.told
    assert telling.title == "Lumen Resonance Report – report_2026-01-31"
    assert telling.text.startswith("Lumen Daily OK: 2026-01-31, revision 1.\n")
    assert [path.name for path in telling.attachments] == ["report_2026-01-31.pdf"]


def test_a_provisional_day_is_sent_to_nobody(world: World) -> None:
    steps = Steps()
    today = date(2026, 2, 1)
    run = start(world.context(), steps.pipeline, today, TRACE)
    for stage in ("build", "freeze", "verify"):
        advance(world.context(), steps.pipeline, stage, run.run_id, 1)
    assert world.store.runs.results("daily", today) != []
    assert world.store.sends.rows() == []


def test_a_tick_that_is_busy_leaves_the_rest_to_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        raise_one(world, f"k{number}")
    tell = MemoryChannel.tell

    def slow(self: MemoryChannel, *args: object) -> None:
        world.clock.advance(timedelta(seconds=8).total_seconds())
        tell(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryChannel, "tell", slow)
    assert deliver(world.context()) == "5 alarms routed, 3 sent, 0 not sent"
    assert deliver(world.context()) == "0 alarms routed, 2 sent, 0 not sent"
