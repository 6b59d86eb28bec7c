"""A real peer for each kind of actuator: what the loop sees, and how it acknowledges."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.foreign import NAME, foreign_worker
from support.loops import loop_spec
from support.peers import unused_port
from support.workers import RedisServer

from lumen_workers.adapters.actuators import make_actuator
from lumen_workers.domain.ports import Actuator
from lumen_workers.domain.records import LoopSpec, RuleSpec

KEY = "lumen:rules:demo"


@dataclass
class Peer:
    """A loop behind its actuator. ``seen``: the rules it has; ``acknowledge``: it says that it has an event."""

    spec: LoopSpec
    home: Path
    seen: Callable[[], dict[str, float] | None]
    acknowledge: Callable[[str, str | None], None] | None = None
    away: LoopSpec | None = None
    """The same loop where nobody answers; None: it cannot be away."""

    def make(self, spec: LoopSpec | None = None) -> Actuator:
        return make_actuator(spec or self.spec, self.home)


@dataclass
class Hook:
    """A webhook of a loop: what it got, and what it answers (None: the acknowledgement)."""

    url: str = ""
    status: int = 200
    answer: bytes | None = None
    applied_at: str | None = None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """It is served on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            said = {"event_id": json.loads(body)["event_id"], "applied_at": made.applied_at}
            data = json.dumps(said).encode() if made.answer is None else made.answer
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Hook(f"http://127.0.0.1:{server.server_port}/rules")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def celery_worker(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A live worker of a foreign app with two processes; yields an app that sends to it."""
    with foreign_worker(redis_server, tmp_path_factory.mktemp("foreign") / "log") as app:
        yield app


def celery_spec(url: str, **options: Any) -> LoopSpec:
    """A loop that is a Celery worker: the rate of its task, the size of its pool."""
    return replace(
        loop_spec("push"),
        rules={
            "rate": RuleSpec(name="rate", initial=20, min=1, max=1000),
            "processes": RuleSpec(name="processes", initial=2, min=1, max=4),
        },
        actuator="celery",
        actuator_options={
            "broker_url": url,
            "workers": [NAME],
            "apply": {"rate": {"set": "rate_limit", "task": "foreign.work"}, "processes": {"set": "pool"}},
            **options,
        },
    )


def _celery(redis_server: RedisServer, app: Any, home: Path) -> Peer:
    def seen() -> dict[str, float] | None:
        look = app.control.inspect([NAME], timeout=5)
        tasks = look.registered("rate_limit")[NAME]
        limit = next((task.partition("rate_limit=")[2] for task in tasks if task.startswith("foreign.work")), "")
        size = len(look.stats()[NAME]["pool"]["processes"])
        return {"rate": float(limit.partition("/")[0] or 0), "processes": float(size)}

    spec = celery_spec(redis_server.url)
    return Peer(spec, home, seen, away=celery_spec(f"redis://127.0.0.1:{unused_port()}/0", timeout_s=1.0))


def _redis(redis_server: RedisServer, home: Path) -> Peer:
    client = redis_server.client
    client.delete(KEY, f"{KEY}:ack")

    def seen() -> dict[str, float] | None:
        data = client.get(KEY)
        return None if data is None else dict(json.loads(data)["rules"])

    def acknowledge(event_id: str, applied_at: str | None) -> None:
        said = event_id if applied_at is None else json.dumps({"event_id": event_id, "applied_at": applied_at})
        client.set(f"{KEY}:ack", said)

    path = redis_server.url.removeprefix("redis+socket://")
    spec = replace(loop_spec("push"), actuator=f"redis:unix://{path}")
    away = replace(spec, actuator=f"redis:redis://127.0.0.1:{unused_port()}/0")
    return Peer(spec, home, seen, acknowledge, away)


def _file(home: Path) -> Peer:
    path = home / "loops" / "demo" / "rules.json"
    spec = replace(loop_spec("push"), actuator="file")
    return Peer(spec, home, lambda: dict(json.loads(path.read_text())["rules"]) if path.exists() else None)


def _webhook(hook: Hook, home: Path) -> Peer:
    spec = replace(loop_spec("push"), actuator=f"webhook:{hook.url}", actuator_options={"timeout_s": 2.0})
    away = replace(spec, actuator=f"webhook:http://127.0.0.1:{unused_port()}/rules")
    return Peer(spec, home, lambda: dict(json.loads(hook.got[-1][1])["rules"]) if hook.got else None, None, away)


_REDIS = pytest.mark.redis


@pytest.fixture(params=["file", "webhook", pytest.param("redis", marks=_REDIS), pytest.param("celery", marks=_REDIS)])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Peer:
    """Each kind that tells its loop something."""
    if request.param == "file":
        return _file(tmp_path)
    if request.param == "webhook":
        return _webhook(request.getfixturevalue("hook"), tmp_path)
    server = request.getfixturevalue("redis_server")
    if request.param == "redis":
        return _redis(server, tmp_path)
    return _celery(server, request.getfixturevalue("celery_worker"), tmp_path)


@pytest.fixture
def redis_peer(redis_server: RedisServer, tmp_path: Path) -> Peer:
    return _redis(redis_server, tmp_path)
