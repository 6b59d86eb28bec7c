"""What other processes do to one log in the tests. Each opens the store itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from support.logs import ORIGIN, SIGNER, entry_of

from lumen_workers.adapters.store import open_store
from lumen_workers.domain.clock import SystemClock
from lumen_workers.domain.evidence import LogHead
from lumen_workers.domain.ports import LogStore
from lumen_workers.domain.runs import Lease
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.sequencer import Sequencer

STEPS: Final = frozenset({"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"})
"""What the interpreter announces before it does it (sys.addaudithook): every change of a folder is one of these."""


def sequencer(url: str, folder: Path, who: str, logs: Callable[[LogStore], LogStore] = lambda logs: logs) -> Sequencer:
    store = open_store(url)
    return Sequencer(
        folder=LogFolder(folder),
        signer=SIGNER,
        logs=logs(store.logs),
        leases=store.leases,
        holder=who,
        ttl=timedelta(seconds=20),
        now=store.now,
        clock=SystemClock(),
    )


def place(url: str, folder: Path, who: int, count: int, ready: Any, out: Connection) -> None:
    """Owe ``count`` entries, one by one, and have each sequenced; sends (key, position) of each."""
    log = sequencer(url, folder, f"p{who}")
    ready.wait()
    for number in range(who * 1000, who * 1000 + count):
        log.logs.enqueue(ORIGIN, f"key {number}", entry_of(number), b"")
        out.send((f"key {number}", log.place(f"key {number}", wait_s=120.0)))


def write_on(url: str, folder: Path, first: int, sizes: list[int], out: Connection) -> None:
    """Owe and sequence batches of these sizes; sends (key, position) of each entry as soon as it has one."""
    log = sequencer(url, folder, "writer")
    out.send(None)
    number = first
    for size in sizes:
        keys = [f"key {number + more}" for more in range(size)]
        for key in keys:
            log.logs.enqueue(ORIGIN, key, entry_of(number), b"")
            number += 1
        log.append()
        for key in keys:
            out.send((key, log.place(key)))


def die_at(url: str, folder: Path, step: int) -> None:
    """Sequence what is owed, and be killed just before the step number ``step`` (from 1); ends well beyond the last."""
    countdown = _Countdown(step)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in STEPS and str(arguments[0]).startswith(str(folder)):
            countdown.step()

    log = sequencer(url, folder, "writer", lambda logs: _Counted(logs, countdown))
    sys.addaudithook(hook)
    log.append()


class _Countdown:
    def __init__(self, left: int) -> None:
        self._left = left

    def step(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


class _Counted:
    """The store's logs; recording a head is a step, and its end is another."""

    def __init__(self, logs: LogStore, countdown: _Countdown) -> None:
        self._logs = logs
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logs, name)

    def advance(self, head: LogHead, positions: Mapping[str, int], lease: Lease) -> None:
        self._countdown.step()
        self._logs.advance(head, positions, lease)
        self._countdown.step()
