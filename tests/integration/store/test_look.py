"""A look at a store changes nothing."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from lumen_workers.adapters.store import SqlStore, inspect_store
from lumen_workers.adapters.store.versions import REVISIONS
from lumen_workers.domain.errors import EnvironmentFault, SchemaTooNew, StoreUnavailable


def test_a_store_of_this_version(store: SqlStore, url: str) -> None:
    look = inspect_store(url)
    assert (look.schema, look.current) == (REVISIONS[-1], True)
    assert look.location == store.database.name
    assert abs(look.now - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_store_of_a_newer_version_is_refused(store: SqlStore, url: str) -> None:
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="9999"):
        inspect_store(url)


def test_a_store_that_is_not_there_yet_is_not_made(url: str, tmp_path: Path) -> None:
    look = inspect_store(url)
    assert (look.schema, look.current) == (None, False)
    assert list(tmp_path.iterdir()) == []
    assert inspect_store(url).schema is None  # nor were tables made in an empty database


def test_a_foreign_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "their.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    assert inspect_store(f"sqlite:///{path}").schema is None
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "lumen.db"
    path.write_text("not a database, but longer than a header would be" * 10)
    with pytest.raises(EnvironmentFault, match="not a database"):
        inspect_store(f"sqlite:///{path}")


def test_a_server_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        inspect_store(f"postgresql://lumen@/none?host={tmp_path}")
