"""psycopg and SQLAlchemy against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer, hanging_up, silent

ROLES = """
DO $$ BEGIN
  CREATE ROLE plain LOGIN;
  CREATE ROLE locked LOGIN PASSWORD 'right';
  CREATE ROLE full_up LOGIN CONNECTION LIMIT 0;
  CREATE ROLE no_login;
  CREATE ROLE barred LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$
"""
HBA = "local all locked scram-sha-256\nlocal all barred reject\n"


def connect(peers: Peers, **words: Any) -> psycopg.Connection[Any]:
    url = sa.make_url(peers.database)
    given: dict[str, Any] = {"host": url.query["host"], "user": "lumen", "dbname": url.database, "autocommit": True}
    return psycopg.connect(**given | words)


def _prepare(peers: Peers) -> None:
    """Roles, and how they may log in."""
    with connect(peers) as connection:
        connection.execute(ROLES)
        row = connection.execute("SELECT current_setting('hba_file')").fetchone()
        path = Path(row[0]) if row else Path()
        if not path.read_text().startswith(HBA):
            path.write_text(HBA + path.read_text())
            connection.execute("SELECT pg_reload_conf()")


def _as(role: str, **words: Any) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        _prepare(peers)
        connect(peers, user=role, **words).close()

    return provoke


def _run(*statements: str, **words: Any) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        _prepare(peers)
        with connect(peers, **words) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return provoke


def _raise(state: str) -> Callable[[Peers], object]:
    return _run(f"DO $$ BEGIN RAISE EXCEPTION 'said so' USING ERRCODE = '{state}'; END $$")


@contextmanager
def _two(peers: Peers) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    with connect(peers) as one, connect(peers) as other:
        one.execute("DROP TABLE IF EXISTS pair; CREATE TABLE pair (k int PRIMARY KEY, v int)")
        one.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
        yield one, other


def _lock_timeout(peers: Peers) -> None:
    with _two(peers) as (one, other):
        one.execute("BEGIN; UPDATE pair SET v = 1 WHERE k = 1")
        other.execute("SET lock_timeout = '20ms'")
        other.execute("UPDATE pair SET v = 2 WHERE k = 1")


def _no_wait(peers: Peers) -> None:
    with _two(peers) as (one, other):
        one.execute("BEGIN; UPDATE pair SET v = 1 WHERE k = 1")
        other.execute("SELECT * FROM pair WHERE k = 1 FOR UPDATE NOWAIT")


def _serialization(peers: Peers) -> None:
    with _two(peers) as (one, other):
        one.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        one.execute("SELECT * FROM pair")
        other.execute("UPDATE pair SET v = 2 WHERE k = 1")
        one.execute("UPDATE pair SET v = 1 WHERE k = 1")


def _broken(peers: Peers) -> None:
    with connect(peers) as one:
        one.execute("BEGIN")
        with suppress(psycopg.errors.DivisionByZero):
            one.execute("SELECT 1 / 0")
        one.execute("SELECT 1")


def _terminated(peers: Peers) -> None:
    with connect(peers) as one, connect(peers) as other:
        one.execute("SELECT pg_terminate_backend(%s, 5000)", [other.info.backend_pid])
        other.execute("SELECT 1")


def _idle(peers: Peers) -> None:
    with connect(peers) as one, connect(peers) as other:
        other.execute("SET idle_in_transaction_session_timeout = '10ms'; BEGIN")
        while one.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [other.info.backend_pid]).fetchone():
            pass
        other.execute("SELECT 1")


def _used_when_closed(peers: Peers) -> None:
    connection = connect(peers)
    connection.close()
    connection.execute("SELECT 1")


def _tcp(talk: Callable[..., object], **words: Any) -> Callable[[Peers], object]:
    def provoke(_: Peers) -> None:
        with Peer(talk) as peer:
            psycopg.connect(host=HOST, port=peer.port, user="x", dbname="x", **words).close()

    return provoke


def _alchemy(work: Callable[[sa.Connection], object], **query: str) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        _prepare(peers)
        url = sa.make_url(peers.database)
        engine = sa.create_engine(url.set(username=query.get("user", url.username)), poolclass=sa.NullPool)
        with engine.connect() as connection:
            work(connection)

    return provoke


def _alchemy_terminated(connection: sa.Connection) -> None:
    connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


def _pg(name: str, truth: str, rule: str, provoke: Callable[[Peers], object]) -> Case:
    return case(f"PostgreSQL {name}", truth, rule, provoke, needs="postgres")


CASES: list[Case] = [
    case(
        "psycopg refused", "network", 'text "connection refused"', lambda p: psycopg.connect(host=HOST, port=p.closed)
    ),
    case(
        "psycopg no server", "network", 'text "is the server running"', lambda p: psycopg.connect(host=str(p.folder()))
    ),
    case("psycopg unknown host", "network", "*", lambda _: psycopg.connect(host="lumen.invalid")),
    case(
        "psycopg connect timeout", "network", "name psycopg.errors.ConnectionTimeout", _tcp(silent, connect_timeout=2)
    ),
    case("psycopg hangs up", "network", "*", _tcp(hanging_up)),
    case(
        "psycopg bad words",
        "build",
        "name psycopg.ProgrammingError (psycopg.Error)",
        lambda _: psycopg.connect("colour=red"),
    ),
    _pg("no such role", "token_expired", 'text "fatal:  role"', _as("nobody")),
    _pg("wrong password", "token_expired", 'text "password authentication failed"', _as("locked", password="wrong")),
    _pg("no password", "token_expired", 'text "no password supplied"', _as("locked")),
    _pg("rejected", "token_expired", 'text "pg_hba.conf"', _as("barred")),
    _pg("may not log in", "token_expired", 'text "fatal:  role"', _as("no_login")),
    _pg("no such database", "environment", 'text "fatal:  database"', _as("lumen", dbname="nowhere")),
    _pg("too many for the role", "external_api", 'text "too many connections"', _as("full_up")),
    _pg("undefined table", "build", "SQLSTATE 42P01", _run("SELECT * FROM nowhere")),
    _pg("syntax", "build", "SQLSTATE 42601", _run("SELEKT 1")),
    _pg(
        "unique", "build", "SQLSTATE 23505", _run("CREATE TEMP TABLE t (x int UNIQUE)", "INSERT INTO t VALUES (1), (1)")
    ),
    _pg("division by zero", "build", "SQLSTATE 22012", _run("SELECT 1 / 0")),
    _pg("broken transaction", "build", "SQLSTATE 25P02", _broken),
    _pg("no such savepoint", "build", "SQLSTATE 3B001", _run("BEGIN", "ROLLBACK TO a")),
    _pg("no privilege", "environment", "SQLSTATE 42501", _run("CREATE TABLE public.t (x int)", user="plain")),
    _pg(
        "read-only",
        "external_api",
        "SQLSTATE 25006",
        _run("SET default_transaction_read_only = on", "CREATE TABLE t (x int)"),
    ),
    _pg(
        "statement timeout",
        "external_api",
        "SQLSTATE 57014",
        _run("SET statement_timeout = '20ms'", "SELECT pg_sleep(5)"),
    ),
    _pg("lock timeout", "external_api", "SQLSTATE 55P03", _lock_timeout),
    _pg("lock not to be had", "external_api", "SQLSTATE 55P03", _no_wait),
    _pg("serialization", "external_api", "SQLSTATE 40001", _serialization),
    _pg("terminated", "network", "SQLSTATE 57P01", _terminated),
    _pg("idle too long", "network", "SQLSTATE 25P03", _idle),
    _pg("disk full", "environment", "SQLSTATE 53100", _raise("53100")),
    _pg("out of memory", "external_api", "SQLSTATE 53200", _raise("53200")),
    _pg("input and output", "external_api", "SQLSTATE 58030", _raise("58030")),
    _pg("internal", "external_api", "SQLSTATE XX000", _raise("XX000")),
    _pg("used when closed", "network", "*", _used_when_closed),
    _pg(
        "SQLAlchemy, undefined table",
        "build",
        "cause: SQLSTATE 42P01",
        _alchemy(lambda c: c.execute(sa.text("SELECT * FROM nowhere"))),
    ),
    _pg("SQLAlchemy, terminated", "network", "cause: SQLSTATE 57P01", _alchemy(_alchemy_terminated)),
    _pg("SQLAlchemy, no such role", "token_expired", 'text "fatal:  role"', _alchemy(lambda c: c, user="nobody")),
    case(
        "SQLAlchemy refused",
        "network",
        'text "connection refused"',
        lambda p: sa.create_engine(f"postgresql+psycopg://x@{HOST}:{p.closed}/x", poolclass=sa.NullPool).connect(),
    ),
]
