"""Every test of this folder that asks for ``store`` or ``url`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lumen_workers.adapters.store import SqlStore, open_store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lumen.db"
    factory: Callable[[], str] = request.getfixturevalue("postgres_url_factory")
    return factory()


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    """An open store that knows the loops ``main`` and ``demo``."""
    opened = open_store(url)
    opened.loops.register("main", 5, "host")
    opened.loops.register("demo", 10, "plant")
    yield opened
    opened.close()
