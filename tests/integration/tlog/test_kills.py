"""Processes that write a log and are killed, at every step and at any moment: what was promised is there, once."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from support import log_writers
from support.logs import ORIGIN, SIGNER, TestLog, entry_of

from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.folder import LogFolder

# Processes are forked from one that has the modules already, and no engine.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["pytest", "alembic.command", "lumen_workers.adapters.store.store", "lumen_workers.trust.tlog.sequencer"]
)


@contextmanager
def opened(url: str, folder: Path) -> Iterator[TestLog]:
    """The log as the next process finds it; the dead one's lease, which would run out by itself, is taken away."""
    store = open_store(url)
    try:
        release(store)
        yield TestLog(folder, store)
    finally:
        store.close()


def release(store: SqlStore) -> None:
    lease = store.leases.acquire(f"log/{ORIGIN}", "operator", timedelta(seconds=1), steal=True)
    assert lease is not None
    store.leases.release(lease)


def holds(folder: Path, remembered: bytes | None) -> bytes:
    """The log is in order and goes on from what was remembered; returns what to remember now."""
    report = audit_log(LogFolder(folder), SIGNER.key, remembered=remembered)
    assert report.ok, report.findings
    assert report.checkpoint is not None
    return report.checkpoint


def positions(store: SqlStore) -> dict[str, int | None]:
    return {row.key: row.position for row in store.logs.rows()}


def entries_of(folder: LogFolder, size: int) -> list[bytes]:
    return [entry for bundle in range((size + 255) // 256) for entry in folder.entries(bundle, size)]


@pytest.mark.parametrize(("before", "more"), [(0, 1), (3, 2), (254, 5), (511, 1)])
def test_killed_at_every_step(tmp_path: Path, before: int, more: int) -> None:
    """Also across the end of a tile, where three levels change."""
    ready = tmp_path / "ready"
    ready.mkdir()
    with opened(f"sqlite:///{ready}/lumen.db", ready / "log") as log:
        if before:
            log.fill(before)
        log.owe(more)
        remembered = log.folder.checkpoint()
    step, ended = 0, False
    while not ended:
        step += 1
        home = tmp_path / f"step {step}"
        shutil.copytree(ready, home)
        url, folder = f"sqlite:///{home}/lumen.db", home / "log"
        writer = CONTEXT.Process(target=log_writers.die_at, args=(url, folder, step))
        writer.start()
        writer.join(60)
        ended = writer.exitcode == 0
        assert writer.exitcode in (0, -signal.SIGKILL)
        known = remembered
        if (folder / "checkpoint").exists():
            known = holds(folder, remembered)
        else:
            assert remembered is None
        with opened(url, folder) as log:
            given = positions(log.store)
            log.sequencer.append()
            assert positions(log.store) == {f"key {number}": number for number in range(before + more)}
            assert given.items() <= positions(log.store).items()
            assert log.store.logs.pending(ORIGIN) == []
            assert entries_of(log.folder, before + more) == [entry_of(number) for number in range(before + more)]
        holds(folder, known)
        leftovers = [path.name for path in folder.rglob("*.tmp")]
        assert len(leftovers) <= 1  # the one file that was being written
        shutil.rmtree(home)
    assert step > 10


ROUNDS = 30


def test_killed_at_any_moment(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path}/lumen.db", tmp_path / "log"
    open_store(url).close()
    chance = random.Random(2026)
    promised: dict[str, int] = {}
    first, killed, remembered = 0, 0, None
    for _ in range(ROUNDS):
        sizes = [chance.choice((1, 3, 40, 255, 256, 257, 300)) for _ in range(40)]
        here, there = CONTEXT.Pipe(duplex=False)
        writer = CONTEXT.Process(target=log_writers.write_on, args=(url, folder, first, sizes, there))
        writer.start()
        there.close()
        assert here.recv() is None
        time.sleep(chance.uniform(0.0, 0.4))
        writer.kill()
        writer.join(60)
        killed += writer.exitcode == -signal.SIGKILL
        told = received(here)
        assert promised.keys().isdisjoint(told)
        promised |= told
        if (folder / "checkpoint").exists():
            remembered = holds(folder, remembered)
        with opened(url, folder) as log:
            owed = log.store.logs.pending(ORIGIN)
            first += len(sizes) * 300  # numbers that no round before has used
            assert positions(log.store).items() >= promised.items()
            assert not promised.keys() & {row.key for row in owed}
    with opened(url, folder) as log:
        log.sequencer.append()
        assert log.store.logs.pending(ORIGIN) == []
        rows = sorted(log.store.logs.rows(), key=lambda row: row.position or 0)
        assert [row.position for row in rows] == list(range(len(rows)))
        assert entries_of(log.folder, len(rows)) == [row.entry for row in rows]
        assert len({row.entry for row in rows}) == len(rows)
        assert {row.key: row.position for row in rows}.items() >= promised.items()
    holds(folder, remembered)
    assert killed > ROUNDS // 2
    assert len(promised) > ROUNDS


def received(pipe: Connection) -> dict[str, int]:
    """What a process that is gone has said."""
    told: dict[str, int] = {}
    try:
        while True:
            key, position = pipe.recv()
            told[key] = position
    except (EOFError, ConnectionError, OSError):  # the last word may be half of one
        return told
