"""Errors about errors, errors of several, and our own."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from unittest import mock

import httpx
import tenacity
import typer
from billiard.pool import ApplyResult, Pool, soft_timeout_sighandler
from support.failures.case import Case, case
from support.failures.http import get
from support.failures.peers import Peers
from support.failures.tcp import HOST

from lumen_workers.adapters.remotes import LocalRemote
from lumen_workers.adapters.store import open_store
from lumen_workers.archive.bundle import TarReader
from lumen_workers.cli.main import app
from lumen_workers.config.files import LumenFile, read
from lumen_workers.domain.errors import ExternalApiError
from lumen_workers.local.broker import ExternalBroker
from lumen_workers.pipelines.tasks import task_of
from lumen_workers.trust.keys import create_key, load_key

Work = Callable[[Peers], object]


def _refuse(peers: Peers) -> None:
    socket.create_connection((HOST, peers.closed), 1)


def _full(_: Peers) -> None:
    Path("/dev/full").write_text("x")


def _later(peers: Peers) -> None:
    get(peers, "status/503?retry=11")


def _wrapped(work: Work) -> Work:
    """As a library does that has an error of its own."""

    def provoke(peers: Peers) -> None:
        try:
            work(peers)
        except Exception as error:
            raise RuntimeError("upload failed") from error

    return provoke


def _on_the_way(work: Work) -> Work:
    """An error while another one is handled."""

    def provoke(peers: Peers) -> None:
        try:
            work(peers)
        except (OSError, httpx.HTTPError):
            raise RuntimeError("clean-up failed")  # noqa: B904

    return provoke


def _hidden(work: Work) -> Work:
    def provoke(peers: Peers) -> None:
        try:
            work(peers)
        except (OSError, httpx.HTTPError):
            raise RuntimeError("upload failed") from None

    return provoke


def _deep(work: Work) -> Work:
    for _ in range(20):
        work = _wrapped(work)
    return work


def _circle(peers: Peers) -> None:
    try:
        _refuse(peers)
    except OSError as error:
        one, other = RuntimeError("a"), RuntimeError("b")
        one.__cause__, other.__cause__ = other, one
        error.__cause__ = one
        raise other from one


def _circle_with_an_end(peers: Peers) -> None:
    try:
        _refuse(peers)
    except OSError as error:
        outer = RuntimeError("a")
        error.__cause__ = outer
        raise outer from error


def _several(*works: Work) -> Work:
    def provoke(peers: Peers) -> None:
        async def one(work: Work) -> None:
            await asyncio.sleep(0)
            work(peers)

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(one(work))

        asyncio.run(all_of_them())

    return provoke


def _retried(work: Work) -> Work:
    return lambda peers: tenacity.Retrying(stop=tenacity.stop_after_attempt(2))(work, peers)


def _bare(_: Peers) -> None:
    raise RuntimeError("the moon is full")


def _says(text: str) -> Work:
    """A library that tells its trouble in words only."""

    def provoke(_: Peers) -> None:
        raise RuntimeError(text)

    return provoke


def _ours_with_cause(peers: Peers) -> None:
    try:
        _later(peers)
    except httpx.HTTPError as error:
        raise ExternalApiError("the remote is busy") from error


def _soft_limit(_: Peers) -> None:
    before = signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def _worker_lost(_: Peers) -> None:
    """What the pool of a Celery worker does with a job whose process it has found dead."""
    job = ApplyResult({}, None)
    Pool.mark_as_worker_lost(None, job, -signal.SIGKILL)
    job.get()


def _no_database(peers: Peers) -> None:
    path = peers.folder() / "lumen.db"
    path.write_text("ts,phase_diff\n" * 500)
    open_store(f"sqlite:///{path}")


def _lease_lost(_: Peers) -> None:
    with closing(open_store("sqlite://")) as store:
        ttl = timedelta(seconds=10)
        lease = store.leases.acquire("run/x", "one", ttl)
        assert lease is not None
        store.leases.acquire("run/x", "other", ttl, steal=True)
        store.leases.renew(lease, ttl)


def _bad_file(peers: Peers) -> None:
    path = peers.folder() / "lumen.yaml"
    path.write_text("zon: UTC")
    read(path, LumenFile)


def _key(peers: Peers) -> None:
    path = peers.folder() / "key.pem"
    path.parent.chmod(0o700)
    create_key(path, "right")
    load_key(path, "wrong")


def _empty_snapshot(peers: Peers) -> None:
    LocalRemote(peers.folder()).publish("2026-01-31", peers.folder())


def _broker_away(peers: Peers) -> None:
    ExternalBroker(url=f"redis://{HOST}:{peers.closed}/0").check()


def _no_broker(peers: Peers) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LUMEN_")}
    with mock.patch.dict(os.environ, {**kept, "LUMEN_HOME": str(peers.folder())}, clear=True):
        typer.main.get_command(app).main(["enqueue", "reconcile"], standalone_mode=False)


def _bundle(_: Peers) -> None:
    list(TarReader(io.BytesIO(b"no bundle"), "gz", 1000).members())


CASES: list[Case] = [
    case("caused by a refusal", "network", "cause: errno ECONNREFUSED", _wrapped(_refuse)),
    case("caused by a full disk", "environment", "cause: errno ENOSPC", _wrapped(_full)),
    case("caused by a status", "external_api", "cause: HTTP status 503", _wrapped(_later), wait=(11, 11)),
    case("while handling a refusal", "network", "cause: errno ECONNREFUSED", _on_the_way(_refuse)),
    case("hidden", "unknown", "no rule", _hidden(_refuse)),
    case("twenty causes deep", "network", "cause: errno ECONNREFUSED", _deep(_refuse)),
    case("a circle", "unknown", "no rule", _circle),
    case("a circle with a refusal", "network", "cause: errno ECONNREFUSED", _circle_with_an_end),
    case("tenacity, refused", "network", "cause: errno ECONNREFUSED", _retried(_refuse)),
    case("tenacity, busy", "external_api", "cause: HTTP status 503", _retried(_later), wait=(11, 11)),
    case("two of a kind", "network", "member: errno ECONNREFUSED", _several(_refuse, _refuse)),
    case("refused and disk full", "environment", "member: errno ENOSPC", _several(_refuse, _full)),
    case("refused and unknown", "network", "member: errno ECONNREFUSED", _several(_bare, _refuse)),
    case("busy and refused", "external_api", "member: HTTP status 503", _several(_refuse, _later), wait=(11, 11)),
    case("several, as a cause", "network", "cause: member: errno ECONNREFUSED", _wrapped(_several(_refuse))),
    case("several of nothing known", "unknown", "no rule", _several(_bare, _bare)),
    case("says nothing", "unknown", "no rule", _bare),
    case("says timed out", "network", 'text "timed out"', _says("Request timed out after 5 s")),
    case("says token expired", "token_expired", 'text "token has expired"', _says("The token has expired.")),
    case("says unavailable", "external_api", 'text "service unavailable"', _says("503 Service Unavailable")),
    case("says disk full", "environment", 'text "no space left on device"', _says("write: No space left on device")),
    case("says module missing", "dependency", 'text "no module named"', _says("No module named 'dropbox'")),
    case(
        "says it in a cause", "network", 'cause: text "connection reset"', _wrapped(_says("connection reset by peer"))
    ),
    case("soft time limit", "unknown", "time limit", _soft_limit),
    case("worker lost", "unknown", "cause: worker lost", _worker_lost),
    case("ours: no database", "environment", "code environment", _no_database),
    case(
        "ours: store away",
        "network",
        "code store_unavailable",
        lambda p: open_store(f"postgresql+psycopg://x@/x?host={p.folder()}"),
    ),
    case("ours: broker away", "network", "code network", _broker_away),
    case("ours: lease lost", "unknown", "code lease_lost", _lease_lost),
    case("ours: bad file", "environment", "code config", _bad_file),
    case("ours: passphrase", "token_expired", "code token_expired", _key),
    case("ours: nothing to publish", "build", "code build", _empty_snapshot),
    case(
        "ours: not there",
        "build",
        "code not_found",
        lambda p: LocalRemote(p.folder()).fetch("2026-01-31", p.folder() / "x"),
    ),
    case("ours: unknown task", "build", "code usage", lambda _: task_of("daly")),
    case("ours: no broker", "dependency", "code no_broker", _no_broker),
    case("ours: busy, with its cause", "external_api", "code external_api", _ours_with_cause, wait=(11, 11)),
    case("ours: bundle", "build", "name lumen_workers.archive.bundle.*", _bundle),
]
