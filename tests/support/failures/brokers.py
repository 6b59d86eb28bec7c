"""redis-py, kombu and Celery, against a real Redis and without one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import celery
import redis
from kombu.connection import Connection
from kombu.serialization import dumps, loads
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.failures.case import Case, case
from support.failures.peers import Peers
from support.failures.tcp import HOST, Peer, hanging_up, resetting, silent

Work = Callable[[redis.Redis], object]
_dumps: Callable[..., object] = dumps
_loads: Callable[..., object] = loads


def once(**words: Any) -> redis.Redis:
    """A client that tries once; redis-py would try again for seconds."""
    return redis.Redis(retry=Retry(NoBackoff(), 0), **words)


def _path(peers: Peers) -> str:
    return peers.redis.url.removeprefix("redis+socket://")


def _command(client: redis.Redis, *words: str) -> None:
    client.execute_command(*words)  # type: ignore[no-untyped-call]


@contextmanager
def _set(client: redis.Redis, *command: str) -> Iterator[None]:
    """``command`` changes the server; the last two of its words are what brings it back."""
    *words, value, before = command
    _command(client, *words, value)
    try:
        yield
    finally:
        _command(client, *words, before)


def _run(work: Work, *command: str) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        # One connection: whoever sets the password stays logged in.
        with once(unix_socket_path=_path(peers), single_connection_client=True) as admin:
            if not command:
                work(admin)
                return
            with _set(admin, *command):
                work(admin)

    return provoke


def _as(user: str | None, password: str | None, peers: Peers) -> None:
    def work(_: redis.Redis) -> None:
        with once(unix_socket_path=_path(peers), username=user, password=password) as client:
            client.get("x")

    _run(work, "CONFIG SET", "requirepass", "right", "")(peers)


def _without_rights(peers: Peers) -> None:
    _run(lambda admin: _command(admin, "ACL SETUSER", "reader", "on", ">r", "~*", "+get"))(peers)
    with once(unix_socket_path=_path(peers), username="reader", password="r") as client:
        client.set("x", "y")


def _replica(work: Work) -> Callable[[Peers], object]:
    def provoke(peers: Peers) -> None:
        with once(unix_socket_path=_path(peers), single_connection_client=True) as admin:
            _command(admin, "REPLICAOF", HOST, str(peers.closed))
            try:
                work(admin)
            finally:
                _command(admin, "REPLICAOF", "NO", "ONE")

    return provoke


def _stale(client: redis.Redis) -> None:
    with _set(client, "CONFIG SET", "replica-serve-stale-data", "no", "yes"):
        client.get("x")


def _over_tcp(talk: Callable[[socket.socket], object], **words: Any) -> Callable[[Peers], object]:
    def provoke(_: Peers) -> None:
        with Peer(talk) as peer, once(host=HOST, port=peer.port, **words) as client:
            client.ping()

    return provoke


def _wrong_type(client: redis.Redis) -> None:
    client.set("text", "x")
    client.lpush("text", "y")


def _pool(peers: Peers) -> None:
    pool = redis.ConnectionPool(connection_class=redis.UnixDomainSocketConnection, path=_path(peers), max_connections=1)
    try:
        connection = pool.get_connection()
        try:
            redis.Redis(connection_pool=pool).ping()
        finally:
            pool.release(connection)
    finally:
        pool.disconnect()


def _unknown_value(client: redis.Redis) -> None:
    client.set("x", object())  # type: ignore[arg-type]


def _watched(client: redis.Redis) -> None:
    with client.pipeline() as pipeline:
        pipeline.watch("w")  # type: ignore[no-untyped-call]
        client.set("w", "1")
        pipeline.multi()
        pipeline.set("w", "2")
        pipeline.execute()


def _connect(url: str) -> None:
    with Connection(url) as connection:  # type: ignore[no-untyped-call]
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)


def _send(url: str) -> None:
    with celery.Celery("x", broker=url, set_as_current=False) as app:
        app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
        app.send_task("x", retry=False)


def _redis(name: str, truth: str, rule: str, provoke: Callable[[Peers], object]) -> Case:
    return case(f"redis {name}", truth, rule, provoke, needs="redis")


CASES: list[Case] = [
    case("redis refused", "network", "name redis.exceptions.ConnectionError", lambda p: once(port=p.closed).ping()),
    case(
        "redis no socket",
        "network",
        "name redis.exceptions.ConnectionError",
        lambda p: once(unix_socket_path=f"{p.folder()}/no").ping(),
    ),
    case(
        "redis unknown host",
        "network",
        "name redis.exceptions.ConnectionError",
        lambda _: once(host="lumen.invalid").ping(),
    ),
    case("redis read timeout", "network", "name redis.exceptions.TimeoutError", _over_tcp(silent, socket_timeout=0.1)),
    case("redis hangs up", "network", "name redis.exceptions.ConnectionError", _over_tcp(hanging_up)),
    case("redis reset", "network", "name redis.exceptions.ConnectionError", _over_tcp(resetting)),
    case("redis bad URL", "build", "name builtins.ValueError", lambda _: redis.Redis.from_url("http://x")),
    _redis("no password", "token_expired", "name redis.exceptions.AuthenticationError", partial(_as, None, None)),
    _redis(
        "wrong password", "token_expired", "name redis.exceptions.AuthenticationError", partial(_as, "default", "wrong")
    ),
    _redis("no rights", "token_expired", "name redis.exceptions.NoPermissionError", _without_rights),
    _redis(
        "out of memory",
        "external_api",
        "name redis.exceptions.OutOfMemoryError",
        _run(lambda client: client.set("x", "y"), "CONFIG SET", "maxmemory", "1", "0"),
    ),
    _redis(
        "read-only",
        "external_api",
        "name redis.exceptions.ReadOnlyError",
        _replica(lambda client: client.set("x", "y")),
    ),
    _redis(
        "master away",
        "external_api",
        "name redis.exceptions.MasterDownError",
        _replica(_stale),
    ),
    _redis(
        "unknown command", "build", "name redis.exceptions.ResponseError", _run(lambda client: _command(client, "FLY"))
    ),
    _redis("wrong type", "build", "name redis.exceptions.ResponseError", _run(_wrong_type)),
    _redis("no such script", "build", "name redis.exceptions.NoScriptError", _run(lambda c: c.evalsha("0" * 40, 0))),
    _redis("wrong value", "build", "name redis.exceptions.DataError", _run(_unknown_value)),
    _redis("watched", "unknown", "no rule", _run(_watched)),
    _redis("pool", "network", "name redis.exceptions.MaxConnectionsError (redis.exceptions.ConnectionError)", _pool),
    case("kombu refused", "network", "cause: *", lambda p: _connect(f"redis://{HOST}:{p.closed}/0")),
    case(
        "kombu unknown transport",
        "build",
        "name builtins.KeyError (builtins.LookupError)",
        lambda _: _connect("pigeon://x"),
    ),
    case(
        "kombu not encodable",
        "build",
        "name kombu.exceptions.EncodeError*",
        lambda _: _dumps(object(), serializer="json"),
    ),
    case(
        "kombu not decodable",
        "build",
        "name kombu.exceptions.DecodeError*",
        lambda _: _loads("{", "application/json", "utf-8"),
    ),
    case(
        "kombu content refused",
        "build",
        "name kombu.exceptions.ContentDisallowed*",
        lambda _: _loads(b"", "application/x-python-serialize", "binary", accept={"json"}),
    ),
    case("Celery refused", "network", "cause: *", lambda p: _send(f"redis://{HOST}:{p.closed}/0")),
    case(
        "Celery unknown task",
        "build",
        "name celery.exceptions.NotRegistered*",
        lambda _: celery.Celery("x", set_as_current=False).tasks["nothing"],
    ),
]
