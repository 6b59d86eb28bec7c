"""URLs, versions, the clock and what errors mean."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from support.store_records import SPEC, T0, block

from lumen_workers.adapters.store import open_store
from lumen_workers.adapters.store.faults import translate
from lumen_workers.adapters.store.versions import REVISIONS
from lumen_workers.domain.clock import VirtualClock
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, LumenError, StoreUnavailable


@pytest.mark.parametrize("url", ["", "lumen.db", "mysql://u:hunter2@h/x", "redis://h", "postgresql+asyncpg://h/x"])
def test_other_urls_are_refused_in_one_line(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:////") as raised:
        open_store(url)
    assert "hunter2" not in str(raised.value)


def test_revisions_are_those_of_the_migrations() -> None:
    scripts = ScriptDirectory(str(Path(sys.modules["lumen_workers.adapters.store"].__path__[0]) / "migrations"))
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS


def test_store_time_is_the_given_clock() -> None:
    clock = VirtualClock(T0)
    store = open_store("sqlite://", clock=clock)
    store.loops.register("main", 5, "mock")
    clock.advance(90)
    assert store.now() == clock.now()
    assert store.rules.append("main", SPEC, 0.3, actor="x").ts == clock.now()
    store.close()


def test_the_same_change_twice_in_one_instant_is_two_events() -> None:
    store = open_store("sqlite://", clock=VirtualClock(T0))
    store.loops.register("main", 5, "mock")
    for value in (0.3, 0.25, 0.3, 0.25):
        store.rules.append("main", SPEC, value, actor="x")
    assert len({event.event_id for event in store.rules.events("main")}) == 4
    store.close()


def test_threads_share_a_store_in_memory() -> None:
    store = open_store("sqlite://")
    store.loops.register("main", 5, "mock")
    seen: list[int] = []

    def work(number: int) -> None:
        for turn in range(30):
            store.samples.add("main", block(number * 10**9 + turn, 1))
            seen.extend(len(found) for found in store.samples.windows("main", [(number * 10**9, number * 10**9 + 1)]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 120
    assert store.samples.count("main", 0, 10**12) == 120
    store.close()


def test_an_up_to_date_store_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/lumen.db"
    open_store(url).close()
    code = (
        "import sys; from lumen_workers.adapters.store import open_store; open_store(sys.argv[1]).close();"
        "sys.exit(' '.join({'alembic', 'psycopg', 'celery', 'pandas'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())})


class _Postgres(psycopg.OperationalError):
    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class _Sqlite(sqlite3.OperationalError):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (_Postgres("connection refused\nIs the server running?", None), StoreUnavailable),
        (_Postgres("terminating connection due to administrator command", "57P01"), StoreUnavailable),
        (_Postgres("deadlock detected", "40P01"), StoreUnavailable),
        (_Postgres("canceling statement due to lock timeout", "55P03"), StoreUnavailable),
        (_Postgres("cannot execute UPDATE in a read-only transaction", "25006"), StoreUnavailable),
        (_Postgres("too many connections", "53300"), StoreUnavailable),
        (_Postgres("could not extend file", "53100"), EnvironmentFault),
        (_Postgres("syntax error", "42601"), None),
        (_Sqlite("database is locked", sqlite3.SQLITE_BUSY_SNAPSHOT), StoreUnavailable),
        (_Sqlite("disk I/O error", sqlite3.SQLITE_IOERR_WRITE), StoreUnavailable),
        (_Sqlite("database or disk is full", sqlite3.SQLITE_FULL), EnvironmentFault),
        (_Sqlite("attempt to write a readonly database", sqlite3.SQLITE_READONLY), EnvironmentFault),
        (_Sqlite("no such table", sqlite3.SQLITE_ERROR), None),
        (sqlite3.IntegrityError("UNIQUE"), None),
    ],
)
def test_what_an_error_means(error: Exception, meant: type[LumenError] | None) -> None:
    found = translate(error, "sqlite:///x")
    if meant is None:
        assert found is None
    else:
        assert type(found) is meant
        assert "\n" not in str(found)
        assert "sqlite:///x" in str(found)
