from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from support.loops import T0, RuleBook, eventually, loop_spec

from lumen_workers.adapters.sources import csv_file, make_source
from lumen_workers.adapters.sources.csv_file import CsvSource
from lumen_workers.adapters.sources.quarantine import Quarantine, Refused
from lumen_workers.domain.clock import from_us, iso, parse_ts
from lumen_workers.loop.metrics_csv import HEADER


def row(n: int) -> str:
    return f"{iso(from_us(T0 + n * 200_000))},0.1,0.2,0.3,0.4"


def opened(home: Path, last_us: int | None = None) -> CsvSource:
    source = make_source(loop_spec("csv:in/metrics.csv"), store=RuleBook().store, home=home)
    assert isinstance(source, CsvSource)
    source.open(last_us)
    return source


def collect(source: CsvSource, count: int) -> list[int]:
    got: list[int] = []

    def tick() -> bool:
        got.extend(source.read(T0, 0.0).ts.tolist())
        return len(got) >= count

    eventually(tick, f"{count} rows")
    return got


def write(home: Path, *lines: str) -> None:
    path = home / "in" / "metrics.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("".join(line + "\n" for line in lines))


def test_refused_rows_are_counted_and_kept(tmp_path: Path) -> None:
    source = opened(tmp_path)
    write(tmp_path, HEADER, row(1), "2026-01-31T00:00:00,0,0,0,0", row(2), row(2), "한글,1,2,3,nan", row(3))
    assert collect(source, 3) == [T0 + n * 200_000 for n in (1, 2, 3)]
    counts = source.problems()
    counts.pop("no_file", None)
    assert counts == {"duplicate": 1, "naive": 1, "ts": 1}
    source.close()
    kept = [json.loads(line) for line in (tmp_path / "quarantine" / "demo.jsonl").read_text().splitlines()]
    assert [set(item) for item in kept] == [{"ts_utc", "source", "line_no", "line", "reason"}] * 3
    assert [(k["line_no"], k["reason"]) for k in kept] == [(3, "naive"), (5, "duplicate"), (6, "ts")]
    assert kept[1]["line"] == row(2)
    assert kept[0]["source"] == "csv:in/metrics.csv"
    parse_ts(kept[0]["ts_utc"])


def test_a_quarantine_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("in the way")
    source = opened(tmp_path)
    write(tmp_path, HEADER, row(1), "bad", row(2))
    collect(source, 2)
    assert source.problems()["quarantine"] == 1
    (tmp_path / "quarantine").unlink()
    write(tmp_path, "worse", row(3))
    collect(source, 1)
    source.close()
    kept = (tmp_path / "quarantine" / "demo.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in kept] == ["bad", "worse"]


def test_a_torn_quarantine_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "q.jsonl", "csv:x")
    quarantine.path.write_text('{"torn": ')
    quarantine.add([Refused(7, "line", "ts")])
    quarantine.add([])
    assert [json.loads(text)["line_no"] for text in quarantine.path.read_text().splitlines()[1:]] == [7]


def test_a_backlog_comes_in_bounded_pieces(tmp_path: Path) -> None:
    """What is read ahead, and what one read hands out, have limits; nothing is lost by them."""
    write(tmp_path, HEADER, *(row(n) for n in range(30_000)))
    source = opened(tmp_path)
    eventually(lambda: len(source._blocks) >= csv_file._WAITING, "the read-ahead is full")
    time.sleep(0.1)
    assert len(source._blocks) == csv_file._WAITING
    sizes: list[int] = []

    def tick() -> bool:
        sizes.append(len(source.read(T0, 0.0)))
        return sum(sizes) >= 30_000

    eventually(tick, "the whole backlog")
    source.close()
    assert max(sizes) < 10_000


def test_trouble_with_the_file_is_told_and_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "_ERROR_S", 0.02)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "metrics.csv").mkdir()
    source = opened(tmp_path)
    eventually(lambda: source.problems().get("file"), "a folder is no file")
    (tmp_path / "in" / "metrics.csv").rename(tmp_path / "away")
    write(tmp_path, HEADER, row(1))
    source.open(None)
    assert collect(source, 1) == [T0 + 200_000]
    source.close()


def test_closing_closes_the_file(tmp_path: Path) -> None:
    write(tmp_path, HEADER, row(1))
    me = psutil.Process()
    before = me.num_fds()
    source = opened(tmp_path)
    collect(source, 1)
    assert me.num_fds() > before
    source.close()
    assert me.num_fds() == before
