"""Servers that integration tests share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from support.servers import PostgresServer

# A shell that starts the tests in its background (nohup make test &) lets its children ignore Ctrl-C, and what the
# tests start would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL for the session. A test that stops it starts it again."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url_factory(postgres_server: PostgresServer) -> Callable[[], str]:
    """Each call makes an empty database and returns its URL."""
    return postgres_server.fresh_database
