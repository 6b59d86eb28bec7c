"""Real servers for tests, each private to one test session."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
import pytest

_PR_SET_PDEATHSIG = 1


def missing(program: str) -> NoReturn:
    """A server program is not installed: skip here, fail where ``CI`` is set."""
    reason = f"{program} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def postgres_bin() -> Path | None:
    """The folder of PostgreSQL's server programs, or None. Debian keeps them off PATH."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


class PostgresServer:
    """PostgreSQL in a private folder, reachable by a unix socket only; nothing of it survives :meth:`close`.

    Commits survive its crash, not the machine's (fsync is off). As root it runs as the user ``postgres``: it refuses
    root.
    """

    def __init__(self) -> None:
        programs = postgres_bin()
        if programs is None:
            missing("postgresql")
        self._bin = programs
        self._folder = Path(tempfile.mkdtemp(prefix="lumen-pg-", dir="/tmp"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._run(
            "initdb", "-D", str(self._data), "-U", "lumen", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg://lumen@/{database}?host={self._folder}"

    def fresh_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"t{uuid4().hex[:12]}"
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def version(self) -> str:
        """The server's version, such as 15.6."""
        with self._connect() as connection:
            return str(connection.execute("SHOW server_version").fetchall()[0][0]).partition(" ")[0]

    def start(self) -> None:
        """Start it and wait until it answers. A running one is left alone."""
        if self._process is not None:
            return
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "max_connections": "100",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *options],
                stdout=log,
                stderr=log,
                cwd="/",
                env=self._environment(),
                preexec_fn=_end_with_parent(signal.SIGQUIT),
                **self._as,
            )
        for _ in range(300):
            if self._process.poll() is not None:
                break
            with suppress(psycopg.OperationalError), self._connect():
                return
            time.sleep(0.1)
        raise RuntimeError((self._folder / "log").read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        """Stop it at once, as a crash would: open connections break, committed data stays. ``start`` brings it back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=30)
            self._process = None

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self._folder), user="lumen", dbname="postgres", autocommit=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", env=self._environment(), **self._as)

    @staticmethod
    def _environment() -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _end_with_parent(number: int) -> Callable[[], None] | None:
    """Runs in the child: the kernel sends it ``number`` when this process dies, so that no server is left behind."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(number))
