"""What a person switches, asks again, and puts away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.store_records import run, send, verdict

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.domain.errors import NetworkError
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.domain.notices import SendState
from lumen_workers.domain.runs import RunStatus
from lumen_workers.reports import render_pdf
from lumen_workers.reports.model import DayReport

from .conftest import Command


@pytest.fixture
def store(home: Path) -> Iterator[SqlStore]:
    home.mkdir()
    opened = open_store(f"sqlite:///{home}/lumen.db")
    yield opened
    opened.close()


def test_a_pause_holds_everywhere_until_it_is_ended(lumen: Command, store: SqlStore) -> None:
    assert lumen("pause", "--note", "incident").out == "automatic rule changes are paused everywhere\n"
    assert lumen("pause", "--json").json == {"switch": "pause", "on": True, "changed": False}
    assert "automatic rule changes are paused; `lumen resume` ends that" in lumen("status").out
    assert lumen("status", "--json").json["paused"] is True
    assert [(s.name, s.note) for s in store.switches.rows()] == [("pause", "incident")]
    assert lumen("resume").out == "automatic rule changes go on\n"
    assert lumen("resume").out == "automatic rule changes go on (it was so already)\n"
    assert [entry.event for entry in store.audit.rows(subject="pause")] == ["switched on", "switched off"]


def test_a_region_is_drained_and_resumed(lumen: Command, store: SqlStore) -> None:
    answer = lumen("drain", "us-west-2", "--wait", "--json")
    assert answer.json == {"switch": "drain/us-west-2", "on": True, "changed": True}
    states = {row["region"]: row["state"] for row in lumen("status", "--json").json["regions"]}
    assert states == {"ap-northeast-2": "never seen", "us-west-2": "drained"}
    assert lumen("resume", "us-west-2").out == "us-west-2 takes new work\n"
    wrong = lumen("drain", "mars-1")
    assert (wrong.code, wrong.err) == (2, "lumen: unknown region 'mars-1'; the regions are ap-northeast-2, us-west-2\n")
    assert lumen("resume", "mars-1").code == 2


def test_a_drain_that_waits_says_what_is_left(lumen: Command, store: SqlStore) -> None:
    made = store.runs.create(run("us-west-2"), "us-west-2/h/1")
    lease = store.leases.acquire("x", "us-west-2/h/1", timedelta(minutes=1))
    assert lease is not None
    store.runs.start(made.run_id, "us-west-2", lease)
    answer = lumen("drain", "us-west-2", "--wait", "--timeout", "1")
    assert answer.code == 1
    assert answer.err == (
        f"us-west-2 still works on {made.run_id}\n"
        f"lumen: us-west-2 is drained, but still works on {made.run_id} after 1 s\n"
    )


def test_regions_are_shown_with_their_signs_of_life(lumen: Command, store: SqlStore) -> None:
    store.pulses.beat("us-west-2", "jobs", "box", "us-west-2/box/1", "01" * 32)
    failed = store.runs.create(run("us-west-2"), "us-west-2/h/1")
    store.runs.fail(failed.run_id, None, verdict=verdict("network"), error="away")
    view = lumen("status", "--json").json
    row = next(row for row in view["regions"] if row["region"] == "us-west-2")
    assert row["state"] == "alive"
    assert row["lanes"][1]["hosts"] == ["box"]
    assert row["lanes"][1]["seen_s_ago"] < 30
    assert row["lanes"][0]["seen_s_ago"] is None
    assert (row["last_failure"]["run_id"], row["last_failure"]["error_class"]) == (failed.run_id, "network")
    assert f"{failed.run_id} (network)" in lumen("status").out


def test_letters_are_shown_and_put_away(lumen: Command, store: SqlStore) -> None:
    letter = store.notices.refuse("lumen.daily", "us-west-2", "no such day", '{"kwargs": {}}', "ab" * 16)
    assert [row["letter_id"] for row in lumen("letters", "list", "--json").json] == [letter.letter_id]
    shown = lumen("letters", "show", letter.letter_id).out
    assert "no such day" in shown
    assert '{"kwargs": {}}' in shown
    assert lumen("letters", "show", letter.letter_id, "--json").json["state"] == "kept"
    assert lumen("letters", "discard", letter.letter_id).out == f"{letter.letter_id}: discarded\n"
    again = lumen("letters", "discard", letter.letter_id)
    assert again.code == 2
    assert "was discarded already, by " in again.err
    assert lumen("letters", "list", "--json").json == []
    assert [row["state"] for row in lumen("letters", "list", "--all", "--json").json] == ["discarded"]
    assert lumen("letters", "show", "letter-x").code == 2
    assert lumen("letters", "replay", "letter-x").err.startswith("lumen: there is no broker; ")


def test_alarms_are_listed_resolved_and_kept_back(lumen: Command, store: SqlStore) -> None:
    store.notices.raise_alarm("k", "run_failed", AlarmSeverity.TICKET, "it failed", facts={"region": "a"})
    [row] = lumen("alert", "list", "--json").json
    assert (row["key"], row["severity"], row["facts"], row["resolved_at"]) == ("k", "ticket", {"region": "a"}, None)
    assert "it failed" in lumen("alert", "list").out
    assert lumen("alert", "resolve", "k").out == "k: resolved\n"
    assert lumen("alert", "resolve", "k").code == 2
    assert lumen("alert", "list").out == "No alarms.\n"
    assert len(lumen("alert", "list", "--all", "--json").json) == 1
    assert lumen("alert", "suppress", "--note", "works").out == "alarms are kept back\n"
    assert lumen("alert", "unsuppress", "--json").json == {"switch": "suppress", "on": False, "changed": True}


def test_what_is_in_doubt_is_decided_by_a_person(lumen: Command, store: SqlStore) -> None:
    store.sends.add([send("m1"), send("m2")])
    for _ in range(2):
        claimed = store.sends.claim("a/h/1", timedelta(minutes=1))
        assert claimed is not None
        store.sends.settle(claimed, SendState.IN_DOUBT, detail="closed")
    store.notices.raise_alarm("send_in_doubt/m1", "send_in_doubt", AlarmSeverity.TICKET, "ask")
    assert "2 sends are in doubt" in lumen("status").out
    assert {row["message_id"] for row in lumen("outbox", "list", "--state", "in_doubt", "--json").json} == {"m1", "m2"}
    assert lumen("outbox", "settle", "m1").out == "m1 counts as sent\n"
    assert lumen("outbox", "repeat", "m2", "--json").json == {"message_id": "m2", "state": "due"}
    assert {s.message_id: s.state.value for s in store.sends.rows()} == {"m1": "sent", "m2": "due"}
    assert store.notices.alarms(standing=True) == []
    assert lumen("outbox", "settle", "m1").code == 2
    assert lumen("outbox", "settle", "m9").err == "lumen: there is no send 'm9'; `lumen outbox list` shows them\n"
    wrong = lumen("outbox", "list", "--state", "lost")
    assert wrong.err == "lumen: --state 'lost': use one of due, sending, sent, in_doubt, failed\n"


def test_missed_days_are_made_up_for_oldest_first_within_a_budget(lumen: Command, full: Path) -> None:
    words = ("daily", "--from", "2026-01-30", "--to", "2026-02-02", "--limit", "2")
    answer = lumen(*words, "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["days"], answer.json["missed"]) == (4, 3)
    assert [row["day"] for row in answer.json["runs"]] == ["2026-01-30", "2026-02-01"]
    assert answer.err.splitlines()[0] == "2026-01-30 to 2026-02-02: 1 of 4 days have a result, 3 missed"
    assert answer.err.splitlines()[-1] == "1 missed days are left; the same command goes on with them"
    assert [row["day"] for row in lumen(*words, "--json").json["runs"]] == ["2026-02-02"]
    assert lumen(*words).out == "No day was missed.\n"
    opened = open_store(f"sqlite:///{full}/lumen.db")
    results = opened.runs.results("daily")
    seals = [opened.runs.seals("daily", result.day)[0] for result in results]
    opened.close()
    assert [result.day.day for result in results] == [30, 31, 1, 2]
    assert [seal.prev_digest for seal in seals] == [None, None, results[1].digest, results[2].digest]


def test_no_further_day_is_begun_when_the_time_is_over(lumen: Command, home: Path) -> None:
    answer = lumen("daily", "--from", "2026-01-01", "--to", "2026-01-31", "--minutes", "0.01", "--json")
    assert answer.code == 0
    assert 1 <= len(answer.json["runs"]) < 31
    assert "0.01 minutes are over\n" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "2026-01-01"), "--to, --limit and --minutes need --from, the first day to make up for"),
        (("--from", "2026-01-02", "--day", "today"), "give --day or --from, not both"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from 2026-01-02 is after --to 2026-01-01"),
        (("--from", "soon"), "day 'soon': use today, yesterday or YYYY-MM-DD"),
    ],
)
def test_a_wrong_range_is_said(lumen: Command, words: tuple[str, ...], said: str) -> None:
    answer = lumen("daily", *words)
    assert (answer.code, answer.err) == (2, f"lumen: {said}\n")


def test_a_transient_failure_is_waited_for_in_this_process(
    lumen: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left = [NetworkError("the font server is away")]

    def once(report: DayReport, target: Path) -> None:
        if left:
            raise left.pop()
        render_pdf(report, target)

    monkeypatch.setattr("lumen_workers.pipelines.daily.render_pdf", once)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "reruns.yaml").write_text("network: {backoff_s: [0.5]}\n")
    monkeypatch.setenv("LUMEN_CONFIGS", str(tmp_path / "configs"))
    answer = lumen("daily", "--day", "2026-01-31", "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["status"], answer.json["attempt"], answer.json["cause"]) == ("done", 2, "rerun")
    assert answer.json["stages"][0]["carried_from"] == answer.json["follows"]
    assert "tried again in " in answer.err


def test_only_a_failed_run_is_asked_for_again(lumen: Command, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_BROKER_URL", "redis://127.0.0.1:1/0")
    made = store.runs.create(run("us-west-2"), "us-west-2/h/1")
    assert made.status is RunStatus.QUEUED
    answer = lumen("runs", "rerun", made.run_id)
    assert (answer.code, answer.err) == (
        2,
        f"lumen: {made.run_id} is queued; only a failed or lost run is asked for again\n",
    )


def test_a_homes_key_has_a_fingerprint_for_others_to_pin(lumen: Command, home: Path) -> None:
    shown = lumen("pki", "show", "--region", "us-west-2", "--json").json
    assert shown["region"] == "us-west-2"
    assert (home / "keys" / "us-west-2.pin").read_text().strip() == shown["fingerprint"]
    assert lumen("pki", "show", "--region", "us-west-2").out.startswith(f"us-west-2: {shown['fingerprint']}\n")
    assert lumen("pki", "show", "--region", "mars-1").code == 2


def test_a_live_status_needs_a_terminal(lumen: Command, store: SqlStore) -> None:
    answer = lumen("status", "--live")
    assert (answer.code, answer.err.startswith("lumen: --live needs a terminal; ")) == (2, True)


def test_a_live_status_is_drawn_anew_until_it_is_interrupted(
    lumen: Command, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def interrupted(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("lumen_workers.cli.status.time.sleep", interrupted)
    answer = lumen("status", "--live", "--every", "1")
    assert answer.code == 0
    assert answer.out.count("\x1b[H") == 2
    assert "us-west-2" in answer.out


def test_held_leases_are_shown_and_others_are_not(lumen: Command, store: SqlStore) -> None:
    held = store.leases.acquire("run/daily/2026-01-31/r1/us-west-2", "us-west-2/h/1", timedelta(minutes=1))
    assert held is not None
    over = store.leases.acquire("run/daily/2026-01-30/r1/us-west-2", "us-west-2/h/1", timedelta(minutes=1))
    assert over is not None
    store.leases.release(over)
    [row] = lumen("status", "--json").json["leases"]
    assert (row["lease"], row["holder"], row["epoch"]) == (held.name, "us-west-2/h/1", 1)
    assert 0 < row["ends_in_s"] <= 60
