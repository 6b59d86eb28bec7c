"""Keeps one machine's processes running: starts them in order, shows their output, restarts, ends them in order."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from lumen_workers.domain.clock import SystemClock, iso
from lumen_workers.domain.errors import DependencyError, EnvironmentFault, LumenError
from lumen_workers.local.instance import make_dir
from lumen_workers.local.logs import LogFile, Terminal, log_name
from lumen_workers.local.process import Child, ProcessSpec, RestartPolicy, Status
from lumen_workers.local.state import ProcessState, State, clear_state, write_state
from lumen_workers.worker import guard

_SELF: Final = "lumen"
_REPEAT_S: Final = 0.5
_STOPPERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs ``specs`` until a signal, ``request_stop`` or ``duration_s``.

    ``home`` must be held (``instance.hold``): logs go to ``<home>/logs``, the state to ``<home>/run/state.json``.
    ``stream`` is the terminal, None for files only. ``urls`` are shown once all essentials are started, and kept in the
    state. ``on_started`` is called at that moment, on the main thread; it must return at once.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        home: Path,
        urls: Mapping[str, str] | None = None,
        duration_s: float | None = None,
        stream: TextIO | None = None,
        colour: bool = False,
        on_started: Callable[[], None] | None = None,
        policy: RestartPolicy | None = None,
        mode: str | None = None,
    ) -> None:
        self._home = home
        self._urls = dict(urls or {})
        self._duration_s = duration_s
        self._stream = stream
        self._colour = colour
        self._on_started = on_started
        self._mode = mode or guard.default_mode()
        self._children = {spec.name: Child(spec, policy or RestartPolicy()) for spec in specs}
        if len(self._children) != len(specs):
            raise ValueError("two processes have the same name")
        if unknown := {name for spec in specs for name in spec.after} - self._children.keys():
            raise ValueError(f"to be started after unknown processes: {sorted(unknown)}")
        self._wake: socket.socket | None = None
        self._signalled: float | None = None
        self._at_once = False
        self._stop_asked = False
        self._stopping = False
        self._announced = False
        self._failure: LumenError | None = None
        self._written: tuple[ProcessState, ...] | None = None

    def request_stop(self) -> None:
        """End the system cleanly, as SIGTERM does. May be called from any thread."""
        self._stop_asked = True
        if (wake := self._wake) is not None:
            with suppress(OSError):
                wake.send(b"\0")

    def run(self) -> None:
        """Run until stopped; afterwards no process of it is left. Call it on the main thread.

        SIGINT, SIGTERM and SIGHUP end it in order; a second one at once. Raises EnvironmentFault or DependencyError
        when an essential process cannot be kept running, with its last words.
        """
        logs = make_dir(self._home / "logs")
        self._files = {name: LogFile(logs / log_name(name)) for name in (*self._children, _SELF)}
        width = max(map(len, self._files))
        self._terminal = Terminal(self._stream, width=width, colour=self._colour)
        self._started = iso(SystemClock().now())
        self._selector = selectors.DefaultSelector()
        lifeline, keep = os.pipe()  # `keep` is never inherited: it closes with this process
        try:
            with self._woken():
                self._loop(lifeline)
        finally:
            for child in self._children.values():
                if child.pid is not None:
                    child.signal_group(signal.SIGKILL)
                    child.bury(time.monotonic())
                if child.spec.clean is not None:
                    child.spec.clean()
            os.close(lifeline)
            os.close(keep)
            self._selector.close()
            with suppress(OSError):
                clear_state(self._home)
            self._terminal.close()
            for file in self._files.values():
                file.close()
        if self._failure is not None:
            raise self._failure

    def _loop(self, lifeline: int) -> None:
        for child in self._children.values():
            child.due = time.monotonic() + child.spec.delay_s
        ends = None if self._duration_s is None else time.monotonic() + self._duration_s
        while True:
            now = time.monotonic()
            self._bury_dead(now)
            if not self._stopping and (self._stop_asked or (ends is not None and now >= ends)):
                self._say("stopping" if self._stop_asked else f"stopping after {self._duration_s:g} s")
                self._stopping = True
            if self._stopping:
                if self._advance_stop(now):
                    return
            else:
                self._start_due(now, lifeline)
            self._save()
            for key, _ in self._selector.select(self._patience(now, ends)):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.recv(4096)
                    continue
                speaker: Child = key.data
                self._show(speaker.spec.name, speaker.lines())
                if speaker.silent:
                    self._selector.unregister(speaker.stdout)

    def _start_due(self, now: float, lifeline: int) -> None:
        for child in self._children.values():
            if child.status is Status.STARTING and (child.spec.ready is None or child.spec.ready()):
                child.status = Status.RUNNING
            waiting = child.status in (Status.WAITING, Status.BACKOFF) and now >= child.due
            if waiting and all(self._children[name].status is Status.RUNNING for name in child.spec.after):
                self._start(child, now, lifeline)
        if not self._announced and all(
            child.status is Status.RUNNING or not child.spec.essential for child in self._children.values()
        ):
            self._announced = True
            for name, url in self._urls.items():
                self._say(f"{name}: {url}")
            if self._on_started is not None:
                self._on_started()

    def _start(self, child: Child, now: float, lifeline: int) -> None:
        try:
            child.start(now, mode=self._mode, lifeline=lifeline)
        except (LumenError, OSError) as fault:
            if child.restarts == 0 and isinstance(fault, LumenError):
                self._failure = fault
                self._stop_asked = True
                return
            child.retry(now, life=0.0, fatal=False)
            self._say(f"{child.spec.name} cannot be started: {fault}; next try in {child.due - now:g} s")
            return
        self._selector.register(child.stdout, selectors.EVENT_READ, child)
        self._say(f"{child.spec.name} started, pid {child.pid}")

    def _bury_dead(self, now: float) -> None:
        for child in self._children.values():
            if not child.ended():
                continue
            with suppress(KeyError):
                self._selector.unregister(child.stdout)
            code, rest = child.bury(now)
            name = child.spec.name
            self._show(name, rest)
            end = f"{name} ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
            if child.status is Status.STOPPED:
                self._say(end)
            elif child.status is Status.BACKOFF:
                self._say(f"{end}; next start in {child.due - now:g} s")
            else:
                self._give_up(child, code)

    def _give_up(self, child: Child, code: int) -> None:
        name = child.spec.name
        words = child.tail[-1].strip() if child.tail else "it said nothing"
        hint = f"; {child.spec.hint}" if child.spec.hint else ""
        log = self._home / "logs" / log_name(name)
        message = f"{name} cannot be kept running (exit code {code}): {words}{hint}; see {log}"
        self._say(message)
        if child.spec.essential:
            kind = DependencyError if code in (126, 127) else EnvironmentFault
            self._failure = kind(message)
            self._stop_asked = True

    def _advance_stop(self, now: float) -> bool:
        """End the lowest phase that still lives; True when none does."""
        for child in self._children.values():
            if child.pid is None:
                child.begin_stop(now)
        living = [child for child in self._children.values() if child.pid is not None]
        if not living:
            return True
        phase = min(child.spec.stop_phase for child in living)
        for child in living:
            if self._at_once:
                child.status = Status.STOPPING
                child.signal_group(signal.SIGKILL)
            elif child.spec.stop_phase == phase:
                if child.status is Status.STOPPING:
                    child.continue_stop(now)
                else:
                    child.begin_stop(now)
        return False

    def _patience(self, now: float, ends: float | None) -> float:
        """Seconds until something is due, if no output and no signal comes first."""
        due = [now + 1.0] if ends is None or self._stopping else [now + 1.0, ends]
        for child in self._children.values():
            if child.status is Status.STARTING:
                due.append(now + 0.1)
            elif child.status in (Status.WAITING, Status.BACKOFF, Status.STOPPING) and child.due > now:
                due.append(child.due)
        return max(0.0, min(due) - now)

    def _show(self, name: str, lines: Sequence[str]) -> None:
        for line in lines:
            self._files[name].write(line)
            self._terminal.line(name, line)

    def _say(self, text: str) -> None:
        self._files[_SELF].write(f"{iso(SystemClock().now())} {text}")
        self._terminal.line(_SELF, text)

    def _save(self) -> None:
        states = tuple(
            ProcessState(name=name, pid=child.pid, restarts=child.restarts, status=str(child.status))
            for name, child in self._children.items()
        )
        if states == self._written:
            return
        self._written = states
        try:
            write_state(self._home, State(pid=os.getpid(), started=self._started, processes=states, urls=self._urls))
        except OSError as fault:
            self._say(f"the state file cannot be written: {fault}")

    @contextmanager
    def _woken(self) -> Iterator[None]:
        """Signals end the system; they, dying children and ``request_stop`` wake the loop."""
        read, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(read, selectors.EVENT_READ)
        before = {number: signal.getsignal(number) for number in (*_STOPPERS, signal.SIGCHLD)}
        wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in _STOPPERS:
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            wake, self._wake = self._wake, None
            wake.close()
            read.close()

    def _on_stop_signal(self, *_: object) -> None:
        now = time.monotonic()
        # One Ctrl-C may come twice: from the terminal, and passed on by a program in between.
        self._at_once = self._signalled is not None and now - self._signalled > _REPEAT_S
        self._signalled = self._signalled or now
        self._stop_asked = True
