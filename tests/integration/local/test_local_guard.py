"""No process outlives the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes import eventually, gone

from lumen_workers.worker import guard

Supervise = Callable[[str], "subprocess.Popen[str]"]

# A worker with a forked child, as Celery's prefork pool has; both deaf to polite requests.
WORKER = """
import os, signal, sys, time
from lumen_workers.worker.guard import die_with_parent
parent = os.getpid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    die_with_parent(parent)
path = os.path.join(sys.argv[1], str(os.getpid()))
open(path, "w").close()
time.sleep(600)
"""


MODES = ["signal", "pipe"] if sys.platform == "linux" else ["pipe"]
"""Only Linux has a parent-death signal."""


@pytest.mark.parametrize("mode", MODES)
def test_killing_the_supervisor_ends_all_within_ten_seconds(
    mode: str, supervise: Supervise, home: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    process = supervise(
        f"""
        worker = {WORKER!r}
        run([python(name, worker, {str(pids)!r}) for name in ("a", "b")], mode={mode!r})
        """
    )
    eventually(lambda: len(list(pids.iterdir())) == 4)
    found = [int(path.name) for path in pids.iterdir()]
    assert not any(gone(pid) for pid in found)
    process.kill()
    process.wait()
    eventually(lambda: all(gone(pid) for pid in found), timeout_s=10)


@pytest.mark.parametrize("mode", MODES)
def test_a_clean_stop_reaches_the_command(mode: str, supervise: Supervise, home: Path) -> None:
    process = supervise(
        f"""
        code = '''
        import signal, sys, time
        signal.signal(signal.SIGINT, lambda *_: sys.exit(print("told", flush=True) or 5))
        print("here", flush=True)
        time.sleep(600)
        '''
        import textwrap
        run([python("a", textwrap.dedent(code), stop=((signal.SIGINT, 20.0),))], mode={mode!r})
        """
    )
    log = home / "logs" / "a.log"
    eventually(lambda: log.exists() and "here" in log.read_text())
    process.send_signal(signal.SIGTERM)
    shown, _ = process.communicate(timeout=60)
    assert "a     | told" in shown
    assert "a ended (exit code 5)" in shown


def test_a_parent_that_is_gone_already_is_noticed(tmp_path: Path) -> None:
    """Between fork and the request to the kernel the parent may die: then no signal would ever come."""
    command = guard.launch_argv(["/bin/sh", "-c", "echo ran"], mode="signal", parent=2**22 + 1)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == ""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7)])
def test_the_commands_exit_code_is_the_launchers(mode: str, script: str, code: int) -> None:
    with subprocess.Popen(**launch(["/bin/sh", "-c", script], mode)) as process:
        assert process.wait(timeout=30) == code


@pytest.mark.parametrize("mode", MODES)
def test_a_command_that_cannot_be_run_is_named(mode: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    for path, code in ((tmp_path / "none", 127), (tmp_path / "data", 126)):
        with subprocess.Popen(**launch([str(path)], mode), stderr=subprocess.PIPE, text=True) as process:
            _, errors = process.communicate(timeout=30)
        assert process.returncode == code
        assert errors.startswith(f"cannot run {path}: ")


def test_a_killed_command_is_reported_by_the_launcher_that_stays() -> None:
    with subprocess.Popen(**launch(["/bin/sh", "-c", "kill -9 $$"], "pipe")) as process:
        assert process.wait(timeout=30) == 128 + 9


def test_the_launcher_starts_nothing_else(tmp_path: Path) -> None:
    """It runs before every process: it must import the standard library only, wherever it is started."""
    (tmp_path / "select.py").write_text("raise RuntimeError('from the working folder')")
    (tmp_path / "signal.py").write_text("raise RuntimeError('from the working folder')")
    watch = [sys.executable, "-X", "importtime", *launch(["/bin/true"], "signal")["args"][1:]]
    done = subprocess.run(
        watch, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert "| " in done.stderr
    assert "lumen_workers" not in done.stderr
    assert "subprocess" not in done.stderr


def launch(command: list[str], mode: str) -> dict[str, Any]:
    """Arguments for Popen; the lifeline of ``pipe`` stays open as long as this process."""
    read, _write = os.pipe()
    return {
        "args": guard.launch_argv(command, mode=mode, parent=os.getpid()),
        "pass_fds": (read,),
        "env": {**os.environ, guard.LIFELINE_ENV: str(read)},
    }
