"""Every test of this folder that asks for ``store`` or ``url`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.servers import PostgresServer

from lumen_workers.adapters.store import SqlStore, open_store


@pytest.fixture(scope="session")
def emptied_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """One database for the folder, emptied at each call: making a new one for every test costs far more."""
    url = postgres_server.fresh_database()

    def empty() -> str:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        return url

    return empty


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lumen.db"
    empty: Callable[[], str] = request.getfixturevalue("emptied_database")
    return empty()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """An open store that knows the loops ``main`` and ``demo``."""
    opened = open_store(url)
    opened.loops.register("main", 5, "host")
    opened.loops.register("demo", 10, "plant")
    yield opened
    opened.close()
