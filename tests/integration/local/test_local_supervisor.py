"""The supervisor with real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import eventually, gone

from lumen_workers.local.instance import holder, stop
from lumen_workers.local.state import ProcessState, read_state

Supervise = Callable[[str], "subprocess.Popen[str]"]


def saying(home: Path, name: str, words: str) -> Callable[[], bool]:
    """Whether the log of ``name`` has ``words``."""
    log = home / "logs" / f"{name}.log"
    return lambda: log.exists() and words in log.read_text(encoding="utf-8")


def finish(process: subprocess.Popen[str]) -> str:
    """End it cleanly; what it has shown."""
    process.send_signal(signal.SIGTERM)
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    return shown


def processes(home: Path) -> dict[str, ProcessState]:
    state = read_state(home)
    return {} if state is None else {process.name: process for process in state.processes}


def running(home: Path, *names: str) -> Callable[[], bool]:
    return lambda: all(name in (now := processes(home)) and now[name].status == "running" for name in names)


def test_output_is_prefixed_and_kept_in_files(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        talk = "import os, time; os.write(1, 'one 진행\\\\nhalf'.encode()); os.write(2, b'err\\\\n'); time.sleep(600)"
        run([python("us-west-2/jobs", talk)], urls={"flower": "http://127.0.0.1:1"})
        """
    )
    eventually(saying(home, "us-west-2-jobs", "err"))
    shown = finish(process)
    assert "us-west-2/jobs | one 진행\n" in shown
    assert "us-west-2/jobs | halferr\n" in shown
    assert "lumen          | flower: http://127.0.0.1:1\n" in shown
    log = (home / "logs" / "us-west-2-jobs.log").read_text(encoding="utf-8")
    assert log == "one 진행\nhalferr\n"
    assert "us-west-2/jobs ended (signal 15)" in (home / "logs" / "lumen.log").read_text()


def test_what_dies_is_started_again_ever_more_slowly(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        run([python("flaky", "print('once more'); raise SystemExit(3)"),
             python("steady", "import time; time.sleep(600)")])
        """
    )
    eventually(lambda: "flaky" in processes(home) and processes(home)["flaky"].restarts >= 4)
    shown = finish(process)
    waits = re.findall(r"flaky ended \(exit code 3\); next start in ([\d.]+) s", shown)
    assert waits[:4] == ["0.1", "0.2", "0.4", "0.4"]
    assert shown.count("steady started") == 1
    assert shown.count("flaky  | once more") >= 4


def test_a_killed_process_comes_back_and_is_counted(supervise: Supervise, home: Path) -> None:
    supervise('run([python("a", "import time; time.sleep(600)")])')
    eventually(running(home, "a"))
    first = processes(home)["a"]
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: processes(home)["a"].restarts == 1 and processes(home)["a"].status == "running")
    assert processes(home)["a"].pid != first.pid


def test_what_a_dead_process_leaves_in_its_group_goes_with_it(supervise: Supervise, home: Path) -> None:
    supervise(
        """
        fork = '''
        import os, time
        if os.fork() == 0:
            (open(os.environ["LEFT"] + ".new", "w")).write(str(os.getpid()))
            os.rename(os.environ["LEFT"] + ".new", os.environ["LEFT"])
        time.sleep(600)
        '''
        import textwrap
        run([python("a", textwrap.dedent(fork), env={"LEFT": str(HOME / "left")})])
        """
    )
    eventually((home / "left").exists)
    left = int((home / "left").read_text())
    eventually(running(home, "a"))
    assert not gone(left)
    leader = processes(home)["a"].pid
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: gone(left))


def test_a_hopeless_essential_process_ends_the_system_with_its_last_words(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        run([python("other", "import time; time.sleep(600)"),
             python("a", "print('unknown tick'); raise SystemExit(2)")])
        """
    )
    shown, errors = process.communicate(timeout=60)
    assert shown.count("a started") == 3
    assert process.returncode == 1
    log = home / "logs" / "a.log"
    assert errors == f"EnvironmentFault: a cannot be kept running (exit code 2): unknown tick; see {log}\n"
    assert holder(home) is None


def test_a_program_that_is_not_there_is_a_missing_dependency(supervise: Supervise) -> None:
    process = supervise('run([ProcessSpec(name="a", argv=("/no/such/program",))])')
    _, errors = process.communicate(timeout=60)
    assert errors.startswith("DependencyError: a cannot be kept running (exit code 127): cannot run /no/such/program")


def test_a_hopeless_process_that_is_not_essential_is_left_out(supervise: Supervise, home: Path) -> None:
    supervise(
        """
        run([python("extra", "raise SystemExit(2)", essential=False), python("a", "import time; time.sleep(600)")])
        """
    )
    eventually(lambda: running(home, "a")() and processes(home)["extra"].status == "failed")


def test_a_process_waits_for_those_it_comes_after(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        flag = HOME / "ready"
        late = "import os, sys; print('late is here', os.path.exists(sys.argv[1]))"
        run([python("late", late, str(flag), after=("early",)),
             python("early", "import time, sys; time.sleep(.5); open(sys.argv[1], 'w').close(); time.sleep(600)",
                    str(flag), ready=flag.exists)])
        """
    )
    eventually(saying(home, "late", "late is here True"))
    shown = finish(process)
    assert shown.index("early started") < shown.index("late started")


ORDERED = """
code = '''
import os, signal, sys, time
def leave(*_):
    time.sleep(.2)
    os.write(1, b"bye\\\\n")
    sys.exit(0)
signal.signal(signal.{signal}, leave)
print("here", flush=True)
time.sleep(600)
'''
step = ((signal.{signal}, 10.0),)
run([python("last", code, stop=step, stop_phase=9),
     python("first", code, stop=step), python("middle", code, stop=step, stop_phase=1)])
"""


@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM", "SIGHUP", "stop"])
def test_the_end_is_clean_and_in_order(way: str, supervise: Supervise, home: Path) -> None:
    process = supervise(ORDERED.replace("{signal}", "SIGINT"))
    logs = [home / "logs" / f"{name}.log" for name in ("first", "middle", "last")]
    eventually(lambda: all(log.exists() and "here" in log.read_text() for log in logs))
    if way == "stop":
        assert stop(home, timeout_s=30) is not None
    else:
        process.send_signal(getattr(signal, way))
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    marks = [f"{name} ended (exit code 0)" for name in ("first", "middle", "last")]
    places = [shown.index(mark) for mark in marks]
    assert places == sorted(places)
    assert shown.index("middle | bye") > places[0]
    assert shown.index("last   | bye") > places[1]
    assert read_state(home) is None
    assert not (home / "run" / "state.json").exists()


def test_a_process_that_will_not_end_is_killed_after_its_steps(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        deaf = '''
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, lambda *_: print("quit heard", flush=True))
        print("here", flush=True)
        while True: time.sleep(600)
        '''
        import textwrap
        run([python("a", textwrap.dedent(deaf), stop=((signal.SIGINT, .3), (signal.SIGQUIT, .3)))])
        """
    )
    log = home / "logs" / "a.log"
    eventually(lambda: log.exists() and "here" in log.read_text())
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "a     | quit heard" in shown
    assert "a ended (signal 9)" in shown


def test_a_second_ctrl_c_ends_everything_at_once(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
        run([python("a", deaf, stop=((signal.SIGTERM, 500.0),)), python("b", deaf, stop_phase=1)])
        """
    )
    logs = [home / "logs" / f"{name}.log" for name in "ab"]
    eventually(lambda: all(log.exists() and "here" in log.read_text() for log in logs))
    process.send_signal(signal.SIGINT)
    eventually(lambda: processes(home)["a"].status == "stopping")
    time.sleep(0.6)  # sooner, it would count as the same one, passed on by a program in between
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "a ended (signal 9)" in shown
    assert "b ended (signal 9)" in shown


def test_ignored_signals_are_not_handed_down(supervise: Supervise, home: Path) -> None:
    """A shell starts background jobs with SIGINT ignored; workers must still hear it."""
    process = supervise(
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ask = "import signal; print(signal.getsignal(2) is signal.default_int_handler, flush=True); signal.pause()"
        run([python("a", ask)])
        """
    )
    eventually(saying(home, "a", "True"))
    finish(process)


def test_processes_are_out_of_the_terminals_reach(supervise: Supervise, home: Path) -> None:
    supervise('run([python("a", "import time; time.sleep(600)", nice=5)])')
    eventually(running(home, "a"))
    pid = processes(home)["a"].pid
    assert pid is not None
    eventually(lambda: os.getpriority(os.PRIO_PROCESS, pid) == 5)
    assert os.getsid(pid) == pid


def test_a_full_state_folder_does_not_end_the_system(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        (HOME / "run" / "state.new").mkdir(parents=True)
        run([python("a", "print('here')\\nimport time; time.sleep(600)")])
        """
    )
    eventually(saying(home, "a", "here"))
    assert "the state file cannot be written" in finish(process)


def test_the_supervisor_turns_only_when_something_happens(supervise: Supervise, home: Path) -> None:
    """A closed pipe stays readable for ever, and a slow end after the duration leaves nothing to do but wait."""
    process = supervise(
        """
        import selectors
        code = '''
        import os, signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: time.sleep(1) or sys.exit())
        os.close(1); os.close(2)
        time.sleep(600)
        '''
        turns = 0
        class Counting(selectors.DefaultSelector):
            def select(self, timeout=None):
                global turns
                turns += 1
                return super().select(timeout)
        selectors.DefaultSelector = Counting
        import textwrap
        run([python("a", textwrap.dedent(code))], duration_s=1.5)
        print("turns", turns)
        """
    )
    shown, _ = process.communicate(timeout=60)
    assert int(shown.split()[-1]) < 50


def test_what_is_delayed_or_not_essential_holds_nobody_up(supervise: Supervise, home: Path) -> None:
    process = supervise(
        """
        sleep = "import time; time.sleep(600)"
        run([python("a", sleep), python("later", sleep, delay_s=0.7, essential=False)], urls={"flower": "http://x"})
        """
    )
    eventually(running(home, "a", "later"))
    shown = finish(process)
    assert shown.index("a started") < shown.index("flower: http://x") < shown.index("later started")


def test_a_duration_ends_the_system(supervise: Supervise, home: Path) -> None:
    process = supervise('run([python("a", "import time; time.sleep(600)")], duration_s=0.5)')
    shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "stopping after 0.5 s" in shown


def test_stop_may_be_asked_from_a_thread(supervise: Supervise) -> None:
    process = supervise(
        """
        import threading
        system = Supervisor([python("a", "import time; time.sleep(600)")], home=HOME,
                            on_started=lambda: threading.Timer(.2, system.request_stop).start())
        with hold(HOME):
            system.run()
        print("over")
        """
    )
    shown, errors = process.communicate(timeout=60)
    assert (shown, errors) == ("over\n", "")
