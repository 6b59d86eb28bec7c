"""Tables, cells, and progress of work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.store_records import run, verdict

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.cli.follow import Stages, follow_run, follow_tick
from lumen_workers.cli.output import echo_json, signed, table, text
from lumen_workers.cli.status import _ago
from lumen_workers.domain.errors import CheckFailed
from lumen_workers.domain.runs import StageRun, StageStatus

TRACE = "0" * 32


def test_cells() -> None:
    assert [text(value) for value in (None, "", 0, 0.12345, True, "word")] == ["–", "–", "0", "0.123", "yes", "word"]
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert text(noon) == noon.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert [signed(value) for value in (None, 0.1, -0.1)] == ["–", "+0.100", "-0.100"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "none yet"),
        (0.34, "0.3 s ago"),
        (119, "119.0 s ago"),
        (150, "2 min ago"),
        (7200, "2 h ago"),
        (3e5, "3 d ago"),
        (-3e9, "in the future"),
    ],
)
def test_ages(seconds: float | None, shown: str) -> None:
    assert _ago(seconds) == shown


def test_a_table_keeps_markup_of_strangers_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table(("note", "n"), [("[red]not markup[/]", 1)], "none")
    assert capsys.readouterr().out == "note                n\n[red]not markup[/]  1\n"
    table(("note",), [], "none")
    assert capsys.readouterr().out == "none\n"
    table(("note",), [], "")
    assert capsys.readouterr().out == ""


def test_json_has_no_words_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"quote": "루프가 고르게 흐른다"})
    assert "루프가 고르게 흐른다" in capsys.readouterr().out
    with pytest.raises(ValueError, match="JSON"):
        echo_json(float("nan"))


@pytest.fixture
def store() -> SqlStore:
    return open_store("sqlite://")


def test_stages_are_told_once_and_only_of_one_trace(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    mine = store.runs.create(run(trace_id=TRACE), "a/host/1")
    store.runs.create(run(region="us-west-2", trace_id="1" * 32), "a/host/1")
    lease = store.leases.acquire("claim", "me", timedelta(seconds=60))
    assert lease is not None
    store.runs.start(mine.run_id, mine.region, lease)
    stages = Stages(store, mine.day, TRACE)
    row = StageRun(run_id=mine.run_id, name="build", status=StageStatus.RUNNING, started=store.now())
    store.runs.stage_started(row, lease)
    stages.tell()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [f"{mine.run_id}  queued, revision 1 of {mine.day}"]
    ended = StageRun(
        run_id=mine.run_id,
        name="build",
        status=StageStatus.FAILED,
        started=row.started,
        ended=store.now(),
        seconds=1.234,
        error="BuildError: no data",
    )
    store.runs.stage_ended(ended, lease)
    stages.tell()
    stages.tell()
    assert capsys.readouterr().err == f"{mine.run_id}  build   failed in 1.23 s: BuildError: no data\n"


def test_a_run_that_nobody_starts_is_not_waited_for_for_ever(store: SqlStore) -> None:
    with pytest.raises(CheckFailed, match=r"not done after 0\.1 s; `lumen status` tells whether workers run"):
        follow_run(store, run().day, "us-west-2", TRACE, 0.1)


def test_a_refused_message_ends_the_wait(store: SqlStore) -> None:
    store.notices.refuse("lumen.daily", "us-west-2", "day: no", "{}", TRACE)
    with pytest.raises(CheckFailed, match="refused: day: no"):
        follow_run(store, run().day, "us-west-2", TRACE, 5)


def test_a_lost_run_is_followed_to_its_next_attempt(store: SqlStore, capsys: pytest.CaptureFixture[str]) -> None:
    first = store.runs.create(run(trace_id=TRACE), "a/host/1")
    store.runs.lose(first.run_id, "a/host/1", "no sign of life")
    second = store.runs.create(
        run(attempt=2, trace_id=TRACE, queued_at=first.queued_at + timedelta(seconds=5)), "a/host/1"
    )
    store.runs.fail(second.run_id, None, verdict=verdict("build"), error="no")
    found = follow_run(store, first.day, first.region, TRACE, 5)
    assert found.run_id == second.run_id
    assert f"{first.run_id}  lost; another attempt follows" in capsys.readouterr().err


def test_where_nothing_is_new_the_run_that_stands_is_the_answer(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lumen_workers.cli.follow._STANDING_S", 0.3)
    standing = store.runs.create(run(trace_id="1" * 32), "a/host/1")
    store.runs.create(run(region="us-west-2", trace_id="2" * 32), "a/host/1")
    lease = store.leases.acquire("claim", "me", timedelta(seconds=60))
    assert lease is not None
    store.runs.start(standing.run_id, standing.region, lease)
    store.runs.finish(standing.run_id, lease, digest="0" * 64)
    assert follow_run(store, standing.day, standing.region, TRACE, 5).run_id == standing.run_id
    assert capsys.readouterr().err == f"{standing.run_id}  done already, nothing new to build\n"


def test_a_tick_counts_when_it_ended_after_the_question(store: SqlStore) -> None:
    store.ticks.claim("effects", "us-west-2", 1)
    store.ticks.finish("effects", "us-west-2", 1, "0 effects")
    asked = store.now()
    with pytest.raises(CheckFailed, match="effects did not end within"):
        follow_tick(store, "effects", "us-west-2", asked, 0.1)
    store.ticks.claim("effects", "us-west-2", 2)
    store.ticks.finish("effects", "us-west-2", 2, "3 effects")
    assert follow_tick(store, "effects", "us-west-2", asked, 5).outcome == "3 effects"
