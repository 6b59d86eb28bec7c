"""One supervised process: what to run, and where it stands."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Final

from lumen_workers.worker import guard

StopStep = tuple[signal.Signals, float]
"""A signal, and the seconds to wait for the end before the next step. After the last comes SIGKILL for the group."""

USAGE_CODES: Final = frozenset({2, 126, 127})
"""Exit codes that say that a new try will fare no better: wrong usage, cannot run, not found."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """A process to keep running. ``env`` is added to the supervisor's own environment.

    It starts when every process in ``after`` is running, and not in the system's first ``delay_s`` seconds. It counts
    as running once ``ready()`` (which must answer within a fraction of a second) is true. ``prepare`` is called before
    each start, ``clean`` once when the system has ended. Lower ``stop_phase`` ends first.
    ``essential``: the system is ended when this process cannot be kept running; otherwise it goes on without.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
    ready: Callable[[], bool] | None = None
    prepare: Callable[[], None] | None = None
    clean: Callable[[], None] | None = None
    delay_s: float = 0.0
    stop: Sequence[StopStep] = ((signal.SIGTERM, 10.0),)
    stop_phase: int = 0
    nice: int = 0
    essential: bool = True
    fatal_codes: frozenset[int] = USAGE_CODES
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """Wait ``first_s``, doubled at each death up to ``limit_s``; a life of ``healthy_s`` starts again from the first.

    A process that ends with one of its fatal codes within ``early_s``, ``early_deaths`` times in a row, is given up.
    (A worker needs some seconds on a busy machine before it can say that its configuration is wrong.)
    """

    first_s: float = 1.0
    limit_s: float = 30.0
    healthy_s: float = 60.0
    early_s: float = 15.0
    early_deaths: int = 3


class Status(StrEnum):
    """Where a process stands. ``failed`` is final: it was given up."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Child:
    """A spec with its life: started, read from, signalled, found dead, started again. Times are monotonic seconds."""

    def __init__(self, spec: ProcessSpec, policy: RestartPolicy) -> None:
        self.spec = spec
        self.status = Status.WAITING
        self.restarts = 0
        self.due = 0.0
        self.silent = False  # it has closed its output
        self.tail: deque[str] = deque(maxlen=5)
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._deaths = 0
        self._early_deaths = 0
        self._partial = b""
        self._steps: list[StopStep] = []

    @property
    def pid(self) -> int | None:
        """None when it does not live."""
        return None if self._process is None else self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """Both its output streams, not blocking."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def start(self, now: float, *, mode: str, lifeline: int) -> None:
        """Launch it under the guard. Call from the main thread: the kernel's parent-death signal follows the thread.

        Raises LumenError from ``prepare``, OSError when the machine cannot start a process.
        """
        if self.spec.prepare is not None:
            self.spec.prepare()
        env = {**os.environ, **self.spec.env}
        if mode == "pipe":
            env[guard.LIFELINE_ENV] = str(lifeline)
        self._process = subprocess.Popen(
            guard.launch_argv(self.spec.argv, mode=mode, parent=os.getpid(), nice=self.spec.nice),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
            pass_fds=(lifeline,) if mode == "pipe" else (),
            bufsize=0,
        )
        os.set_blocking(self.stdout.fileno(), False)
        self._started = now
        self._partial = b""
        self.status = Status.STARTING

    def lines(self) -> list[str]:
        """The complete lines that it has printed since the last call (UTF-8; what is not becomes U+FFFD)."""
        data = self.stdout.read(65536)
        self.silent = data == b""
        data = data or b""
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > 65536:
            whole.append(self._partial)
            self._partial = b""
        found = [line.decode("utf-8", "replace").rstrip("\r") for line in whole]
        self.tail.extend(line for line in found if line.strip())
        return found

    def ended(self) -> bool:
        """Whether it has ended but has not been buried."""
        if self._process is None:
            return False
        if hasattr(os, "waitid"):
            # Left a zombie: its number cannot be given to anybody else before the group has been cleaned up.
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return self._process.poll() is not None

    def bury(self, now: float) -> tuple[int, list[str]]:
        """Clean up after the end: kill what is left of its group, read the rest.

        Returns the exit code (negative: the signal that ended it) and the last lines. Decides what comes next:
        ``status`` is BACKOFF with ``due`` set, FAILED, or STOPPED when it was being stopped.
        """
        assert self._process is not None
        self.signal_group(signal.SIGKILL)
        code = self._process.wait()
        rest: list[str] = []
        while more := self.lines():
            rest += more
        if self._partial:
            rest.append(self._partial.decode("utf-8", "replace"))
            self.tail.append(rest[-1])
        self.stdout.close()
        self._process = None
        if self.status is Status.STOPPING:
            self.status = Status.STOPPED
        else:
            self.retry(now, life=now - self._started, fatal=code in self.spec.fatal_codes)
        return code, rest

    def retry(self, now: float, *, life: float, fatal: bool) -> None:
        """Plan the next start after a life of ``life`` seconds, or give up."""
        self._deaths = 1 if life >= self._policy.healthy_s else self._deaths + 1
        self._early_deaths = self._early_deaths + 1 if fatal and life < self._policy.early_s else 0
        if self._early_deaths >= self._policy.early_deaths:
            self.status = Status.FAILED
            return
        self.restarts += 1
        self.due = now + min(self._policy.limit_s, self._policy.first_s * 2.0 ** min(self._deaths - 1, 30))
        self.status = Status.BACKOFF

    def begin_stop(self, now: float) -> None:
        """Ask it to end, by its own steps; one that does not live is stopped at once."""
        if self._process is None:
            if self.status is not Status.FAILED:
                self.status = Status.STOPPED
            return
        self.status = Status.STOPPING
        self._steps = list(self.spec.stop)
        self.due = now
        self.continue_stop(now)

    def continue_stop(self, now: float) -> None:
        """Take the next step if it is time."""
        if self._process is None or now < self.due:
            return
        if self._steps:
            number, wait_s = self._steps.pop(0)
            self.due = now + wait_s
            # Not Popen.send_signal: that would collect the dead process before its group is cleaned up.
            os.kill(self._process.pid, number)
        else:
            self.due = now + 1.0
            self.signal_group(signal.SIGKILL)

    def signal_group(self, number: signal.Signals) -> None:
        """Send ``number`` to the process and all in its group."""
        if self._process is not None:
            # PermissionError is what macOS says of a group that has only a zombie left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
