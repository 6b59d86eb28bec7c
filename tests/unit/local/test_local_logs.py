"""Log files and the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

import pytest

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.local.logs import LogFile, Terminal, log_name


def test_files_rotate_and_keep_a_bounded_past(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", max_bytes=1000, backups=2)
    for number in range(200):
        log.write(f"line {number:04d}")
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert (tmp_path / "a.log").read_text().splitlines()[-1] == "line 0199"
    assert (tmp_path / "a.log.1").read_text().splitlines()[-1] < (tmp_path / "a.log").read_text().splitlines()[0]


def test_lines_are_kept_as_they_came(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log")
    log.write("100 % 진행 %s")
    log.close()
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "100 % 진행 %s\n"


def test_a_full_disk_loses_lines_but_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.fail("this test needs /dev/full")
    log = LogFile(full, max_bytes=0)
    log.write("lost")
    log.close()
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        LogFile(tmp_path / "none" / "a.log")


def test_log_names_stay_in_their_folder() -> None:
    assert log_name("us-west-2/jobs") == "us-west-2-jobs.log"


@pytest.fixture
def pipe() -> tuple[int, TextIO]:
    read, write = os.pipe()
    return read, os.fdopen(write, "w", encoding="utf-8")


def test_lines_carry_their_name(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    terminal = Terminal(stream, width=8)
    terminal.line("a/jobs", "진행")
    terminal.line("redis", "ready")
    terminal.close()
    stream.close()
    with os.fdopen(read, encoding="utf-8") as shown:
        assert shown.read() == "a/jobs   | 진행\nredis    | ready\n"


def test_each_name_has_its_colour_and_text_cannot_steer_the_terminal(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    terminal = Terminal(stream, colour=True)
    terminal.line("a", "x\x1b[2J\x07y\tz")
    terminal.line("b", "")
    terminal.line("a", "")
    terminal.close()
    stream.close()
    with os.fdopen(read, encoding="utf-8") as shown:
        first, second, third = shown.read().splitlines()
    assert first.startswith("\x1b[36ma |\x1b[0m ")
    assert first.endswith(" x[2Jy\tz")
    assert second.split("b")[0] != third.split("a")[0]
    assert third.startswith("\x1b[36ma |")


def test_a_stuck_terminal_blocks_nothing_and_is_told_what_it_missed(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    terminal = Terminal(stream, limit=10)
    for number in range(5000):
        terminal.line("a", f"{number} " + "x" * 100)  # far more than a pipe and the queue hold
    os.set_blocking(read, False)
    collected = b""

    def drain() -> None:
        nonlocal collected
        while True:
            try:
                collected += os.read(read, 65536)
            except BlockingIOError:
                return

    for _ in range(1000):
        drain()
        terminal.line("a", "later")
        if b"were not shown" in collected:
            break
    assert b"were not shown here; the log files have them" in collected
    os.close(read)
    terminal.close()
    stream.close()


def test_a_reader_that_goes_away_does_no_harm(pipe: tuple[int, TextIO]) -> None:
    read, stream = pipe
    os.close(read)
    terminal = Terminal(stream)
    for _ in range(100):
        terminal.line("a", "x")
    terminal.close()
    stream.close()


def test_no_stream_shows_nothing() -> None:
    terminal = Terminal(None)
    terminal.line("a", "x")
    terminal.close()
