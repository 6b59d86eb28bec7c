"""A store that is away, locked, full or not a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.servers import PostgresServer
from support.store_records import SPEC, block

from lumen_workers.adapters.store import SqlStore, engine, open_store
from lumen_workers.domain.errors import EnvironmentFault, StoreUnavailable


@pytest.fixture
def away(postgres_server: PostgresServer) -> Iterator[tuple[PostgresServer, SqlStore]]:
    store = open_store(postgres_server.fresh_database())
    store.loops.register("main", 5, "host")
    store.samples.add("main", block(0, 10))
    yield postgres_server, store
    postgres_server.start()
    store.close()


@pytest.mark.postgres
def test_a_server_that_is_away_is_said_so_and_found_again(away: tuple[PostgresServer, SqlStore]) -> None:
    server, store = away
    server.stop()
    for ask in (
        store.now,
        store.loops.watermark,
        lambda: store.samples.add("main", block(10**9, 10)),
        lambda: store.samples.tail("main", 1),
        lambda: list(store.samples.windows("main", [(0, 1)])),
        lambda: store.rules.append("main", SPEC, 0.3, actor="x"),
    ):
        with pytest.raises(StoreUnavailable) as raised:
            ask()
        assert "\n" not in str(raised.value)
    server.start()
    assert store.samples.add("main", block(10**9, 10)) == 10


@pytest.mark.postgres
def test_a_connection_that_broke_in_between_is_replaced(away: tuple[PostgresServer, SqlStore]) -> None:
    server, store = away
    server.stop()
    server.start()
    assert len(store.samples.tail("main", 100)) == 10


@pytest.mark.postgres
def test_a_server_that_dies_in_the_middle(away: tuple[PostgresServer, SqlStore]) -> None:
    server, store = away
    windows = store.samples.windows("main", [(0, 10**9)] * 2)
    assert len(next(windows)) == 10
    server.stop()
    with pytest.raises(StoreUnavailable):
        next(windows)
    server.start()

    def stop_inside() -> None:
        with store.database.write() as connection:
            store.database.now(connection)
            server.stop()
            store.database.now(connection)

    with pytest.raises(StoreUnavailable):
        stop_inside()


@pytest.mark.postgres
def test_no_server_and_no_password_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        open_store(f"postgresql://lumen:hunter2@/x?host={tmp_path}")
    assert "hunter2" not in str(raised.value)


@pytest.mark.postgres
def test_a_plain_postgresql_url_will_do(postgres_url_factory: Callable[[], str]) -> None:
    open_store(postgres_url_factory().replace("+psycopg", "")).close()


def test_a_lock_that_is_never_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOCK_WAIT_S", 0.1)
    store = open_store(f"sqlite:///{tmp_path}/lumen.db")
    store.loops.register("main", 5, "host")
    other = sqlite3.connect(tmp_path / "lumen.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.samples.add("main", block(0, 1))
    assert store.loops.rates() == {"main": 5}, "readers are not held back"
    other.execute("ROLLBACK")
    assert store.samples.add("main", block(0, 1)) == 1
    other.close()
    store.close()


def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/lumen.db")
    store.loops.register("main", 5, "host")
    store.samples.add("main", block(0, 100))
    with store.database.raw() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 10}")
    with pytest.raises(EnvironmentFault, match="disk is full"):
        store.samples.add("main", block(10**12, 20_000))
    assert store.samples.count("main", 0, 10**15) == 100
    assert store.loops.watermark() == {"main": 1}
    store.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "lumen.db").write_text("ts,phase_diff\n" * 500)
    with pytest.raises(EnvironmentFault, match="not a database"):
        open_store(f"sqlite:///{tmp_path}/lumen.db")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}/nowhere/lumen.db")
