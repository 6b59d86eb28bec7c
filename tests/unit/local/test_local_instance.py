"""One instance for a home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.local.instance import Holder, hold, holder, run_dir, stop
from lumen_workers.local.state import ProcessState, State, clear_state, read_state, write_state

HOLD = "import sys, pathlib, time; from lumen_workers.local.instance import hold\n"


def test_a_second_instance_is_told_who_holds_the_home(tmp_path: Path) -> None:
    with hold(tmp_path) as me:
        assert me.pid == os.getpid()
        told = rf"in use by pid {os.getpid()} .*since 20.*lumen stop --home"
        with pytest.raises(EnvironmentFault, match=told), hold(tmp_path):
            pass
        assert holder(tmp_path) == me
    assert holder(tmp_path) is None
    with hold(tmp_path):
        pass


def test_a_home_nobody_has_used_has_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path / "none") is None
    assert stop(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_lock_left_by_a_killed_holder_is_free(tmp_path: Path) -> None:
    code = HOLD + "\nwith hold(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        found = holder(tmp_path)
        assert found is not None
        assert found.pid == other.pid
        other.kill()
    assert holder(tmp_path) is None
    with hold(tmp_path) as me:
        assert holder(tmp_path) == me


def test_stop_ends_the_holder_and_waits(tmp_path: Path) -> None:
    code = HOLD + (
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "with hold(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        ended = stop(tmp_path, timeout_s=20)
        assert ended is not None
        assert ended.pid == other.pid
        assert holder(tmp_path) is None
        assert other.wait(timeout=20) == 7


def test_stop_says_so_when_the_holder_stays(tmp_path: Path) -> None:
    code = HOLD + (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "with hold(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(EnvironmentFault, match=rf"pid {other.pid} still runs .*kill -9 {other.pid}"):
                stop(tmp_path, timeout_s=0.3)
        finally:
            other.kill()


def test_stop_leaves_a_process_alone_that_only_has_an_old_holders_pid(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        try:
            with hold(tmp_path) as me:
                record = {"pid": bystander.pid, "host": me.host, "started": me.started}
                (run_dir(tmp_path) / "lock").write_text(json.dumps(record))
                with pytest.raises(EnvironmentFault, match=f"not by pid {bystander.pid}"):
                    stop(tmp_path)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_stop_does_not_reach_for_another_machine(tmp_path: Path) -> None:
    with hold(tmp_path) as me:
        record = {"pid": me.pid, "host": "elsewhere", "started": me.started}
        (run_dir(tmp_path) / "lock").write_text(json.dumps(record))
        with pytest.raises(EnvironmentFault, match="on elsewhere"):
            stop(tmp_path)


def test_a_half_written_lock_names_nobody(tmp_path: Path) -> None:
    with hold(tmp_path):
        (run_dir(tmp_path) / "lock").write_text('{"pid": 1')
        assert holder(tmp_path) == Holder(pid=0, host="", started="")
        with pytest.raises(EnvironmentFault, match="starts or stops just now"):
            stop(tmp_path)


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be made"), hold(tmp_path / "file" / "home"):
        pass


def test_state_is_read_while_its_writer_runs_only(tmp_path: Path) -> None:
    row = ProcessState(name="r/jobs", pid=12, restarts=1, status="running")
    with hold(tmp_path) as me:
        assert read_state(tmp_path) is None
        state = State(pid=me.pid, started=me.started, processes=(row,), urls={"flower": "http://127.0.0.1:1"})
        write_state(tmp_path, state)
        assert read_state(tmp_path) == state
        write_state(tmp_path, State(pid=me.pid + 1, started=me.started))
        assert read_state(tmp_path) is None  # left by an earlier one
        write_state(tmp_path, state)
    assert read_state(tmp_path) is None
    clear_state(tmp_path)
    clear_state(tmp_path)
