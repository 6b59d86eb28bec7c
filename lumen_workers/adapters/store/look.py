"""Looking at a store without changing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from lumen_workers.adapters.store.engine import Database
from lumen_workers.adapters.store.versions import REVISIONS, revision
from lumen_workers.domain.clock import Clock, SystemClock


@dataclass(frozen=True, kw_only=True)
class StoreLook:
    """What a look gave. ``location`` carries no password; ``now`` is store time.

    ``schema`` is None where nothing is there yet: no file, or an empty database. ``current``: it is this code's.
    """

    location: str
    schema: str | None
    current: bool
    now: datetime


def inspect_store(url: str, *, clock: Clock | None = None) -> StoreLook:
    """Look at the store at ``url`` (as for ``open_store``); nothing is made, migrated or written.

    Raises ConfigError for another URL, SchemaTooNew, StoreUnavailable, EnvironmentFault.
    """
    database = Database(url, clock or SystemClock())
    try:
        with _reading(database) as connection:
            found = revision(database, connection) if connection is not None else ""
        return StoreLook(
            location=database.name, schema=found or None, current=found == REVISIONS[-1], now=database.clock_now()
        )
    finally:
        database.close()


@contextmanager
def _reading(database: Database) -> Iterator[sa.Connection | None]:
    """A connection; None where there is no file to read."""
    if database.postgres:
        with database.read() as connection:
            yield connection
        return
    if database.in_memory or not Path(str(database.url.database)).exists():
        yield None
        return
    # The store's own engine would turn WAL on, which writes.
    path = Path(str(database.url.database)).absolute()
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True), poolclass=NullPool
    )
    with database.translated(), engine.connect() as connection:
        yield connection
