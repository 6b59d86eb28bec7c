"""Several processes at one log: one of them writes at a time, and nothing is lost or there twice."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from support import log_writers
from support.logs import ORIGIN, SIGNER

from lumen_workers.adapters.store import open_store
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.folder import LogFolder

PROCESSES = 4
EACH = 30


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lumen.db"
    make: Callable[[], str] = request.getfixturevalue("postgres_url_factory")
    return make()


def test_all_of_them_append_at_once(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    store = open_store(url)
    context = get_context("spawn")
    ready = context.Barrier(PROCESSES)
    writers, pipes = [], []
    for who in range(PROCESSES):
        here, there = context.Pipe(duplex=False)
        writers.append(context.Process(target=log_writers.place, args=(url, folder, who, EACH, ready, there)))
        pipes.append((here, there))
    for writer in writers:
        writer.start()
    told: dict[str, int] = {}
    for here, there in pipes:
        there.close()
        told |= dict(here.recv() for _ in range(EACH))
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    size = PROCESSES * EACH
    assert sorted(told.values()) == list(range(size))
    log = LogFolder(folder)
    rows = {row.position: row for row in store.logs.rows()}
    assert {row.key: position for position, row in rows.items()} == told
    assert [log.entry(position, size) for position in range(size)] == [rows[at].entry for at in range(size)]
    assert store.logs.pending(ORIGIN) == []
    report = audit_log(log, SIGNER.key)
    assert report.ok, report.findings
    assert report.size == size
    store.close()
