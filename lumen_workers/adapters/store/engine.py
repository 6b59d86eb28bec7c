"""One database: its engine, its transactions, its clock. The only place that knows how connections behave."""

from __future__ import annotations

import functools
import os
import select
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from lumen_workers.adapters.store.faults import translate
from lumen_workers.domain.clock import Clock, from_us
from lumen_workers.domain.errors import ConfigError, EnvironmentFault, StoreUnavailable

LOCK_WAIT_S = 10
"""How long a transaction waits for another's lock before the store counts as away."""

FROZEN_S = 8
"""A transaction in which nothing happens for so long is rolled back: its process stands still."""

_TRUST_S = 15.0
"""A PostgreSQL connection that was in use within this time is taken to be there, unless something has come on it."""

_POSTGRES_ARGS = {
    "connect_timeout": 5,
    # A peer that vanished without a word is noticed within half a minute, not after the kernel's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # A process that was frozen inside a transaction must not hold up the others for longer than they wait for a lock.
    "options": f"-c lock_timeout={LOCK_WAIT_S}s -c idle_in_transaction_session_timeout={FROZEN_S}s -c timezone=UTC",
    "application_name": "lumen",
}

Statement = TypeVar("Statement", bound=sa.Executable)

# Engines that came over a fork. Their connections belong to the parent: dropping the last reference would close them.
_inherited: list[sa.Engine] = []


class Database:
    """A SQLite file, SQLite in memory, or PostgreSQL.

    Threads share it. A child process that inherits one gets an engine of its own at first use.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        try:
            parsed = sa.make_url(url)
        except ArgumentError:
            parsed = None
        if parsed is not None and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed is None or parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
            raise ConfigError("store URL: use sqlite:////path/to/lumen.db or postgresql://user@host/database")
        self.url = parsed
        self.postgres = parsed.get_backend_name() == "postgresql"
        self.in_memory = not self.postgres and parsed.database in {None, "", ":memory:"}
        self.name = parsed.render_as_string(hide_password=True)
        self._clock = clock
        self._pid = os.getpid()
        self._engine: sa.Engine | None = None
        self._prepared: dict[Callable[[Database], Any], Any] = {}
        # In memory there is one connection for all threads, so their transactions queue up here.
        self._gate: threading.RLock | None = threading.RLock() if self.in_memory else None

    @property
    def engine(self) -> sa.Engine:
        """This process's engine."""
        if self._pid != os.getpid():
            if self.in_memory:
                raise EnvironmentFault("an in-memory store does not cross a fork")
            if self._engine is not None:
                _inherited.append(self._engine)
            self._engine, self._pid = None, os.getpid()
        if self._engine is None:
            self._engine = self._connect_postgres() if self.postgres else self._connect_sqlite()
        return self._engine

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store and changes nothing."""
        with self.translated(), self.gate(), self.engine.connect() as connection:
            if self.postgres:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def glance(self) -> Iterator[sa.Connection]:
        """For reads that need no common state of the store: each statement sees the one of its own moment.

        On PostgreSQL there is no transaction around them, whose beginning and end would be two more round trips; a
        region may be far away from its store.
        """
        if not self.postgres:
            with self.read() as connection:
                yield connection
            return
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A writing transaction: committed at the end of the block, rolled back when it raises.

        On SQLite it is the only one from its start; on PostgreSQL rows are locked as they are touched.
        """
        with self.translated(), self.gate(), self.engine.connect() as connection:
            connection.execution_options(lumen_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    @contextmanager
    def raw(self) -> Iterator[Any]:
        """A driver connection outside any transaction, for bulk reads; in memory, take the gate for each statement."""
        with self.translated(), self.engine.connect() as connection:
            if self.postgres:
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield driver(connection)

    @contextmanager
    def gate(self) -> Iterator[None]:
        """One thread at a time in memory; elsewhere every connection is its thread's own."""
        if self._gate is None:
            yield
        else:
            with self._gate:
                yield

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Driver errors leave as StoreUnavailable (away, locked) or EnvironmentFault (this machine's trouble)."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(f"store {self.name}: all connections are in use") from error
        except DBAPIError as error:
            meant = translate(error.orig, self.name) if error.orig is not None else None
            if meant is None:
                raise
            raise meant from error
        except self.engine.dialect.loaded_dbapi.Error as error:
            meant = translate(error, self.name)
            if meant is None:
                raise
            raise meant from error

    def now(self, connection: sa.Connection) -> datetime:
        """Store time inside a transaction: PostgreSQL's clock at this moment, not the transaction's start."""
        if not self.postgres:
            return self._clock.now()
        return from_us(connection.execute(_POSTGRES_NOW).scalar_one())

    def clock_now(self) -> datetime:
        """Store time outside any transaction."""
        if not self.postgres:
            return self._clock.now()
        with self.glance() as connection:
            return self.now(connection)

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT."""
        return postgresql.insert(table) if self.postgres else sqlite.insert(table)

    def prepared(self, make: Callable[[Database], Statement]) -> Statement:
        """The statement that ``make`` builds, built once: on a short way that costs more than running it."""
        if make not in self._prepared:
            self._prepared[make] = make(self)
        statement: Statement = self._prepared[make]
        return statement

    def insert_new(self, connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless one with its key is there; True: it was new."""
        statement = self.insert(table).values(dict(values)).on_conflict_do_nothing()
        return connection.execute(statement.returning(sa.literal(1))).first() is not None

    def close(self) -> None:
        """Close the pool. Used again, it opens anew (in memory: empty)."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
            self._engine = None

    def _connect_postgres(self) -> sa.Engine:
        arguments = {key: value for key, value in _POSTGRES_ARGS.items() if key not in self.url.query}
        engine = sa.create_engine(self.url, connect_args=arguments, pool_timeout=LOCK_WAIT_S, hide_parameters=True)
        event.listen(engine, "connect", _note_use)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", functools.partial(_check_connection, engine.dialect))
        return engine

    def _connect_sqlite(self) -> sa.Engine:
        options: dict[str, Any] = {"connect_args": {"timeout": LOCK_WAIT_S}, "hide_parameters": True}
        if self.in_memory:
            options["poolclass"] = StaticPool
            options["connect_args"]["check_same_thread"] = False
        engine = sa.create_engine(self.url, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


_POSTGRES_NOW = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


def driver(connection: sa.Connection) -> Any:
    """The driver's own connection under a SQLAlchemy one."""
    return connection.connection.driver_connection


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not open transactions by itself: its deferred ones lose updates or fail at once when locked.
    connection.isolation_level = None
    for statement in ("PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON", "PRAGMA journal_size_limit=67108864"):
        connection.execute(statement)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        # Turning WAL on needs the file alone and does not wait: two processes that open a new file at once meet here.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_connection(dialect: sa.Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    """Let a pooled connection be replaced if it has broken. One that was just in use, and on which nothing has come
    since (an end would have), is not asked: that would be another round trip each time.
    """
    if time.monotonic() - record.info["used"] < _TRUST_S and not connection.closed and not _has_come(connection):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.DisconnectionError from error


def _has_come(connection: Any) -> bool:
    """Whether there is something to read: a server that went away, a reset, a notice."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLPRI)
    return bool(poll.poll(0))


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("lumen_begin", "BEGIN"))
