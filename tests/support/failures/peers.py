"""What the failures happen against: servers of this process and real ones, each started when it is first asked for."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from support.failures.aws_server import AwsServer
from support.failures.tcp import Blackhole, closed_port
from support.failures.tls import Certificates, TlsServer
from support.failures.web_server import WebServer
from support.servers import PostgresServer
from support.workers import RedisServer


class Peers:
    """One for a session; :meth:`close` ends everything."""

    def __init__(self, postgres: PostgresServer | None = None) -> None:
        self._stack = ExitStack()
        self._postgres = postgres
        self._folder = Path(tempfile.mkdtemp(prefix="lumen-failures-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)

    def folder(self) -> Path:
        """An empty folder."""
        made = self._folder / uuid4().hex[:8]
        made.mkdir()
        return made

    @cached_property
    def web(self) -> str:
        """URL of an HTTP server that does badly what it is asked."""
        return self._stack.enter_context(WebServer()).url

    @cached_property
    def aws(self) -> str:
        """URL of a server whose answers are AWS's errors."""
        return self._stack.enter_context(AwsServer()).url

    @cached_property
    def certificates(self) -> Certificates:
        return Certificates(self.folder())

    def tls(self, kind: str) -> TlsServer:
        """A TLS server with a certificate of that kind, or that breaks off (``torn``), or speaks 1.2 only (``old``)."""
        if kind not in self._tls:
            self._tls[kind] = self._stack.enter_context(TlsServer(self.certificates, kind))
        return self._tls[kind]

    @cached_property
    def _tls(self) -> dict[str, TlsServer]:
        return {}

    @cached_property
    def blackhole(self) -> Blackhole:
        """Takes no more connections, and refuses none."""
        return self._stack.enter_context(Blackhole())

    @cached_property
    def closed(self) -> int:
        """A port of the loopback address where nobody listens."""
        return self._stack.enter_context(closed_port())

    @cached_property
    def redis(self) -> RedisServer:
        server = RedisServer()
        self._stack.callback(server.close)
        server.start()
        return server

    @cached_property
    def postgres(self) -> PostgresServer:
        if self._postgres is None:
            self._postgres = PostgresServer()
            self._stack.callback(self._postgres.close)
            self._postgres.start()
        return self._postgres

    @cached_property
    def database(self) -> str:
        """SQLAlchemy's URL of one database of the server."""
        return self.postgres.fresh_database()

    def close(self) -> None:
        self._stack.close()
