"""The outbox, alarms and letters."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from support.store_records import T0, send

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import LumenError, NotFound
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import LetterState, SendState

HOLD = timedelta(seconds=30)


def test_a_send_is_written_once_and_claimed_once(store: SqlStore) -> None:
    assert store.sends.add([send("m1"), send("m1"), send("m2", created=T0 + timedelta(seconds=1))]) == 2
    first, second = store.sends.claim("a/h/1", HOLD), store.sends.claim("b/h/1", HOLD)
    assert first is not None
    assert second is not None
    assert (first.message_id, first.state, first.holder, first.tries) == ("m1", SendState.SENDING, "a/h/1", 1)
    assert second.message_id == "m2"
    assert store.sends.claim("c/h/1", HOLD) is None
    assert store.sends.settle(first, SendState.SENT, detail="250 ok") is True
    assert store.sends.settle(first, SendState.DUE, detail="again") is False, "what is sent stays sent"
    assert store.sends.counts() == {"due": 0, "sending": 1, "sent": 1, "in_doubt": 0, "failed": 0}
    [sent] = store.sends.rows(state=SendState.SENT)
    assert (sent.sent_by, sent.sent_at is not None) == ("a/h/1", True)
    assert [e.event for e in store.audit.rows(subject="alarm/x")] == ["alarm sent"]


def test_a_send_may_be_put_off(store: SqlStore) -> None:
    store.sends.add([send("m1")])
    claimed = store.sends.claim("a/h/1", HOLD)
    assert claimed is not None
    store.sends.settle(claimed, SendState.DUE, detail="503", not_before=store.now() + timedelta(minutes=1))
    assert store.sends.claim("a/h/1", HOLD) is None
    assert store.sends.rows()[0].detail == "503"


def test_one_whose_end_is_unknown_is_never_sent_again(store: SqlStore) -> None:
    store.sends.add([send("m1")])
    claimed = store.sends.claim("a/h/1", timedelta(0))
    assert claimed is not None
    [doubted] = store.sends.doubt()
    assert (doubted.message_id, doubted.state) == ("m1", SendState.IN_DOUBT)
    assert "a/h/1" in str(doubted.detail)
    assert store.sends.doubt() == []
    assert store.sends.claim("b/h/1", HOLD) is None
    assert store.sends.settle(claimed, SendState.DUE, detail="late") is False
    assert store.sends.settle(claimed, SendState.SENT, detail="it was taken, only late") is True


def test_doubts_about_several_at_once_wait_for_nobody_in_a_ring(store: SqlStore, url: str) -> None:
    """A settle raises one counter and then the chain; a doubt must not hold the chain while it wants a counter."""
    errors: list[Exception] = []

    def doubt() -> None:
        mine = open_store(url)
        try:
            for _ in range(20):
                mine.sends.doubt()
        except LumenError as error:
            errors.append(error)
        mine.close()

    for number in range(20):
        for channel in ("log", "mail"):
            store.sends.add([send(f"{channel}{number}", channel=channel)])
    threads = [threading.Thread(target=doubt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(40):
        claimed = store.sends.claim("a/h/1", timedelta(0) if number % 2 else HOLD)
        if claimed is not None:
            store.sends.settle(claimed, SendState.IN_DOUBT, detail="?")
    for thread in threads:
        thread.join()
    assert errors == []


def test_many_workers_claim_each_send_once(store: SqlStore, url: str) -> None:
    store.sends.add([send(f"m{number}") for number in range(40)])
    claimed: list[str] = []

    def work(who: int) -> None:
        mine = open_store(url)
        while (found := mine.sends.claim(f"r{who}/h/1", HOLD)) is not None:
            claimed.append(found.message_id)
        mine.close()

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On PostgreSQL a worker that finds the oldest row locked may stop early; the next look finds what is left.
    while (left := store.sends.claim("r9/h/1", HOLD)) is not None:
        claimed.append(left.message_id)
    assert sorted(claimed) == sorted(f"m{number}" for number in range(40))


def test_an_alarm_goes_out_once_for_each_time_it_comes_up(store: SqlStore) -> None:
    key = "day/daily/2026-01-05"
    assert store.notices.raise_alarm(
        key, "day_failed", AlarmSeverity.PAGE, "no", facts={"region": "a"}, trace_id="t" * 32
    )
    [alarm] = store.notices.unrouted()
    assert (alarm.facts, alarm.trace_id, alarm.occurrence) == ({"region": "a"}, "t" * 32, 1)
    assert store.notices.route(alarm, [send("m1"), send("m2")]) is True
    assert store.notices.route(alarm, [send("m3")]) is False
    assert store.notices.unrouted() == []
    assert store.sends.counts()["due"] == 2
    assert store.notices.resolve(key, "a/h/1") is True
    assert store.notices.resolve(key, "a/h/1") is False
    assert [(row.event, row.trace_id) for row in store.audit.rows(subject=key)] == [("alarm resolved", "t" * 32)]
    assert store.notices.alarms(standing=True) == []
    assert store.notices.raise_alarm(key, "day_failed", AlarmSeverity.PAGE, "again") is True
    [again] = store.notices.alarms(standing=True)
    assert (again.occurrence, again.detail, again.routed_at, again.resolved_at) == (2, "again", None, None)
    assert store.notices.alarm(key) == again
    assert [(t.labels["kind"], t.value) for t in store.tallies.rows("lumen_alarms_total")] == [("day_failed", 2)]


def test_a_letter_is_handled_once(store: SqlStore) -> None:
    letter = store.notices.refuse("lumen.daily", "a", "no such day", "{}", None)
    assert store.notices.letter(letter.letter_id) == letter
    assert store.notices.handle(letter.letter_id, LetterState.REPLAYED, "a/h/kim") is True
    assert store.notices.handle(letter.letter_id, LetterState.DISCARDED, "a/h/kim") is False
    assert store.notices.letters(state=LetterState.KEPT) == []
    assert store.notices.letter(letter.letter_id).handled_by == "a/h/kim"
    with pytest.raises(NotFound, match="lumen letters list"):
        store.notices.letter("letter-x")
