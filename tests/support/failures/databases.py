"""sqlite3 and SQLAlchemy over it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Thread

import sqlalchemy as sa
from support.failures.case import Case, case
from support.failures.peers import Peers

Work = Callable[[sqlite3.Connection], object]


def _lite(work: Work, *before: str) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        with closing(sqlite3.connect(peers.folder() / "x.db", isolation_level=None, timeout=0.05)) as connection:
            for statement in before:
                connection.execute(statement)
            work(connection)

    return provoke


def _run(statement: str, *before: str) -> Callable[[Peers], object]:
    return _lite(lambda connection: connection.execute(statement).fetchall(), *before)


def _locked(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        one.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0.05)) as other:
            other.execute("BEGIN IMMEDIATE")


def _table_locked(_: Peers) -> None:
    name = "file:shared?mode=memory&cache=shared"
    with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as one:
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN IMMEDIATE")
        one.execute("INSERT INTO t VALUES (1)")
        with closing(sqlite3.connect(name, uri=True, isolation_level=None, timeout=0.05)) as other:
            other.execute("SELECT * FROM t").fetchall()


def _snapshot(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        one.execute("PRAGMA journal_mode=WAL")
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN")
        one.execute("SELECT * FROM t").fetchall()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("INSERT INTO t VALUES (1)")
        one.execute("INSERT INTO t VALUES (2)")


def _read_only(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    sqlite3.connect(path).close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("CREATE TABLE t (x)")


def _damaged(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 100)
        connection.commit()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM t").fetchall()


def _text_file(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    path.write_text("ts,phase_diff\n" * 500)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT 1 FROM sqlite_master")


def _another_thread(connection: sqlite3.Connection) -> None:
    caught: list[BaseException] = []

    def use() -> None:
        try:
            connection.execute("SELECT 1")
        except sqlite3.Error as error:
            caught.append(error)

    thread = Thread(target=use)
    thread.start()
    thread.join()
    raise caught[0]


def _closed(_: Peers) -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    connection.execute("SELECT 1")


FULL = ("CREATE TABLE t (x)", "PRAGMA max_page_count=3")


def engine(path: Path | None = None) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{path}" if path else "sqlite://", poolclass=sa.NullPool if path else None)


def _alchemy(statement: str, *before: str, **values: object) -> Callable[[Peers], object]:
    def provoke(_: Peers) -> None:
        made = sa.create_engine("sqlite://")
        try:
            with made.connect() as connection:
                for one in before:
                    connection.execute(sa.text(one))
                connection.execute(sa.text(statement), values)
        finally:
            made.dispose()

    return provoke


def _alchemy_locked(peers: Peers) -> None:
    path = peers.folder() / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        one.execute("BEGIN EXCLUSIVE")
        made = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool, connect_args={"timeout": 0.05})
        with made.connect() as connection:
            connection.execute(sa.text("CREATE TABLE t (x)"))


def _pool(peers: Peers) -> None:
    made = sa.create_engine(
        f"sqlite:///{peers.folder()}/x.db", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    try:
        with made.connect():
            made.connect()
    finally:
        made.dispose()


def _nowhere(peers: Peers) -> None:
    with engine(peers.folder() / "no" / "x.db").connect():
        pass


CASES: list[Case] = [
    case("sqlite3 locked", "network", "SQLite code SQLITE_BUSY", _locked),
    case("sqlite3 table locked", "network", "SQLite code SQLITE_LOCKED*", _table_locked),
    case("sqlite3 snapshot too old", "network", "SQLite code SQLITE_BUSY_SNAPSHOT", _snapshot),
    case("sqlite3 read-only", "environment", "SQLite code SQLITE_READONLY*", _read_only),
    case(
        "sqlite3 full", "environment", "SQLite code SQLITE_FULL", _run("INSERT INTO t VALUES (zeroblob(100000))", *FULL)
    ),
    case(
        "sqlite3 no folder",
        "environment",
        "SQLite code SQLITE_CANTOPEN*",
        lambda p: sqlite3.connect(p.folder() / "no" / "x"),
    ),
    case("sqlite3 damaged", "environment", "SQLite code SQLITE_CORRUPT*", _damaged),
    case("sqlite3 not a database", "environment", "SQLite code SQLITE_NOTADB", _text_file),
    case("sqlite3 no such table", "build", "SQLite code SQLITE_ERROR", _run("SELECT * FROM nowhere")),
    case("sqlite3 syntax", "build", "SQLite code SQLITE_ERROR", _run("SELEKT 1")),
    case(
        "sqlite3 unique",
        "build",
        "SQLite code SQLITE_CONSTRAINT_UNIQUE",
        _run("INSERT INTO t VALUES (1), (1)", "CREATE TABLE t (x UNIQUE)"),
    ),
    case(
        "sqlite3 not null",
        "build",
        "SQLite code SQLITE_CONSTRAINT_NOTNULL",
        _run("INSERT INTO t VALUES (NULL)", "CREATE TABLE t (x NOT NULL)"),
    ),
    case("sqlite3 wrong type", "build", "*", _lite(lambda c: c.execute("SELECT ?", (object(),)))),
    case(
        "sqlite3 too many values",
        "build",
        "name sqlite3.ProgrammingError (sqlite3.Error)",
        _lite(lambda c: c.execute("SELECT ?", (1, 2))),
    ),
    case("sqlite3 another thread", "build", "name sqlite3.ProgrammingError (sqlite3.Error)", _lite(_another_thread)),
    case("sqlite3 closed", "build", "name sqlite3.ProgrammingError (sqlite3.Error)", _closed),
    case("SQLAlchemy locked", "network", "cause: SQLite code SQLITE_BUSY", _alchemy_locked),
    case(
        "SQLAlchemy full",
        "environment",
        "cause: SQLite code SQLITE_FULL",
        _alchemy("INSERT INTO t VALUES (zeroblob(100000))", *FULL),
    ),
    case("SQLAlchemy no folder", "environment", "cause: SQLite code SQLITE_CANTOPEN*", _nowhere),
    case("SQLAlchemy no such table", "build", "cause: SQLite code SQLITE_ERROR", _alchemy("SELECT * FROM nowhere")),
    case(
        "SQLAlchemy unique",
        "build",
        "cause: SQLite code SQLITE_CONSTRAINT_UNIQUE",
        _alchemy("INSERT INTO t VALUES (1), (1)", "CREATE TABLE t (x UNIQUE)"),
    ),
    case("SQLAlchemy value missing", "build", "*", _alchemy("SELECT :x")),
    case(
        "SQLAlchemy bad URL",
        "build",
        "name sqlalchemy.exc.ArgumentError (sqlalchemy.exc.SQLAlchemyError)",
        lambda _: sa.create_engine("no url"),
    ),
    case(
        "SQLAlchemy unknown dialect",
        "dependency",
        "name sqlalchemy.exc.NoSuchModuleError",
        lambda _: sa.create_engine("postgre://x"),
    ),
    case(
        "SQLAlchemy driver missing",
        "dependency",
        "name builtins.ModuleNotFoundError (builtins.ImportError)",
        lambda _: sa.create_engine("oracle://x"),
    ),
    case("SQLAlchemy pool", "network", "name sqlalchemy.exc.TimeoutError", _pool),
]
