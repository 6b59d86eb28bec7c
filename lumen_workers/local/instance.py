"""One instance for a home: a lock that the kernel gives back, however its holder ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from lumen_workers.domain.clock import SystemClock, iso
from lumen_workers.domain.errors import EnvironmentFault

_GLANCE_S: Final = 0.5
"""Seconds for which somebody who only looks (``holder``) may be in a starting instance's way."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who runs the home; ``started`` is ISO 8601 UTC. ``pid`` is 0 in the moment before the holder has written it."""

    pid: int
    host: str
    started: str


def run_dir(home: Path) -> Path:
    """The folder of lock, state and beat files."""
    return home / "run"


def make_dir(path: Path) -> Path:
    """``path`` as a folder of this user's only; made if it is missing. Raises EnvironmentFault."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be made: {fault.strerror}; choose another home with --home") from fault
    return path


@contextmanager
def hold(home: Path) -> Iterator[Holder]:
    """Be the home's one instance inside the ``with``. Raises EnvironmentFault, naming who is already."""
    path = make_dir(run_dir(home)) / "lock"
    me = Holder(pid=os.getpid(), host=socket.gethostname(), started=iso(SystemClock().now()))
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be written: {fault.strerror}; take another --home") from fault
    try:
        deadline = time.monotonic() + _GLANCE_S
        while not _lock(lock):
            if time.monotonic() >= deadline:
                raise EnvironmentFault(_in_use(home, _read(lock)))
            time.sleep(_GLANCE_S / 10)
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(asdict(me)).encode(), 0)
        yield me
        os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def holder(home: Path) -> Holder | None:
    """Who runs the home now; None: nobody."""
    try:
        lock = os.open(run_dir(home) / "lock", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise EnvironmentFault(f"{home} cannot be looked at: {fault.strerror}") from fault
    try:
        # Shared: two that look at once do not take each other for a holder.
        return None if _lock(lock, fcntl.LOCK_SH) else _read(lock)
    finally:
        os.close(lock)


def stop(home: Path, timeout_s: float = 60.0) -> Holder | None:
    """End the home's instance (SIGTERM) and wait until it is gone. Returns who it was; None: there was none.

    Raises EnvironmentFault when it runs on another machine, is not ours to stop, or is still there after ``timeout_s``.
    """
    present = holder(home)
    if present is None:
        return None
    if not present.pid:
        raise EnvironmentFault(_in_use(home, present))
    if present.host != socket.gethostname():
        raise EnvironmentFault(f"home {home} is run by pid {present.pid} on {present.host}; stop it there")
    if not _has_open(present.pid, run_dir(home) / "lock"):
        # The file may still name an earlier holder, whose pid something else has now.
        raise EnvironmentFault(f"home {home} is in use, but not by pid {present.pid}; try again in a moment")
    try:
        os.kill(present.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as fault:
        raise EnvironmentFault(f"home {home} is run by pid {present.pid} of another user") from fault
    deadline = time.monotonic() + timeout_s
    while holder(home) == present:
        if time.monotonic() >= deadline:
            raise EnvironmentFault(
                f"pid {present.pid} still runs home {home} after {timeout_s:g} s; "
                f"`kill -9 {present.pid}` ends it and all its processes at once"
            )
        time.sleep(0.1)
    return present


def _lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return Holder(pid=0, host="", started="")


def _in_use(home: Path, present: Holder) -> str:
    if not present.pid:
        return f"home {home} is in use by an instance that starts or stops just now; try again in a moment"
    return (
        f"home {home} is in use by pid {present.pid} on {present.host} since {present.started}; "
        f"stop it with `lumen stop --home {home}`"
    )


def _has_open(pid: int, path: Path) -> bool:
    """Whether process ``pid`` has ``path`` open: what tells the holder from whoever got an old pid."""
    try:
        return any(Path(item.path) == path.resolve() for item in psutil.Process(pid).open_files())
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
        return False
