"""`lumen daily`: the day in one process, stage by stage."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.domain.runs import RunStatus

from .conftest import Command

DAY = "2026-01-31"
STAGES = ["build", "pdf", "freeze", "sign", "attest", "verify"]


def test_each_stage_is_told_as_it_ends(lumen: Command) -> None:
    answer = lumen("daily", "--day", DAY, "--region", "us-west-2", "--json")
    assert answer.code == 0
    assert (answer.json["region"], answer.json["status"], answer.json["winner"]) == ("us-west-2", "done", True)
    lines = answer.err.splitlines()
    assert [line.split()[1] for line in lines] == ["queued,", *STAGES]
    assert all(" done in " in line for line in lines[1:])


def test_a_day_without_news_is_not_built_again(lumen: Command, full: Path) -> None:
    answer = lumen("daily", "--day", DAY, "--json")
    assert answer.code == 0
    assert answer.err == f"{answer.json['run_id']}  done already, nothing new to build\n"
    assert len(lumen("runs", "list", "--json").json) == 1


def test_a_stage_that_fails_is_told_with_its_class(lumen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise EnvironmentFault("the disk is full; free some space")

    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.pipelines.daily.render_pdf", full)
        answer = lumen("daily", "--day", DAY, "--json")
    assert answer.code == 8
    assert (answer.json["status"], answer.json["error_class"]) == ("failed", "environment")
    assert [(stage["name"], stage["status"]) for stage in answer.json["stages"]] == [
        ("build", "done"),
        ("pdf", "failed"),
    ]
    assert answer.err.endswith("lumen: the disk is full; free some space\n")
    assert "Traceback" not in answer.err
    again = lumen("daily", "--day", DAY, "--json")
    assert (again.code, again.json["status"], again.json["attempt"]) == (0, "done", 2)


def test_a_day_that_was_broken_off_is_taken_over(lumen: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.pipelines.daily.render_pdf", interrupted)
        broken = lumen("daily", "--day", DAY, "--json")
    assert broken.code == 130
    assert broken.err.splitlines()[-1] == "lumen: interrupted"
    again = lumen("daily", "--day", DAY, "--json")
    assert (again.code, again.json["status"], again.json["attempt"]) == (0, "done", 2)
    assert {run["status"] for run in lumen("runs", "list", "--json").json} == {"done", RunStatus.LOST.value}


def test_a_day_that_another_process_works_on_is_waited_for(
    lumen: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lumen_workers.pipelines.daily.render_pdf", interrupted)
        run = lumen("daily", "--day", DAY, "--json").json
    store = open_store(f"sqlite:///{home}/lumen.db")
    claim = f"run/daily/{DAY}/r1/{run['region']}"
    held = store.leases.acquire(claim, "somebody", timedelta(seconds=60))
    assert held is not None
    timer = threading.Timer(1.5, lambda: store.leases.release(held))
    timer.start()
    answer = lumen("daily", "--day", DAY, "--json")
    timer.join()
    store.close()
    assert answer.code == 0
    assert answer.err.count("another process works on it") == 1
    assert answer.json["attempt"] == 2


def test_the_pdf_is_drawn_by_the_stage(lumen: Command, home: Path) -> None:
    lumen("daily", "--day", DAY)
    (report,) = (home / "archive" / DAY).rglob("report_*.pdf")
    assert report.read_bytes().startswith(b"%PDF-")
