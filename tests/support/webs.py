"""The web interface on a real socket, over a store in a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from support.loops import loop_spec
from support.processes import eventually

from lumen_workers.adapters.actuators import make_actuator
from lumen_workers.adapters.store import SqlStore, open_store
from lumen_workers.bootstrap import refused
from lumen_workers.domain.records import LoopSpec
from lumen_workers.loop.rules import Rules
from lumen_workers.web.app import make_app
from lumen_workers.web.desk import Desk
from lumen_workers.web.guard import MOST_BYTES
from lumen_workers.web.listen import bind, server_of

LOOPS = {
    "demo": replace(loop_spec("push", rate_hz=5), actuator="poll"),
    "hooked": replace(loop_spec("push", name="hooked"), actuator="redis:unix:///nowhere"),
    "host": loop_spec("host", name="host"),
}


@dataclass
class Web:
    """What a test needs of it."""

    url: str
    store: SqlStore
    rules: Rules
    client: httpx.Client


@contextmanager
def web(
    home: Path, *, loops: Mapping[str, LoopSpec] = LOOPS, token: str | None = None, most_bytes: int = MOST_BYTES
) -> Iterator[Web]:
    """uvicorn on a free port, on a thread of its own; it ends with the block."""
    store = open_store(f"sqlite:///{home}/lumen.db")
    for spec in loops.values():
        store.loops.register(spec.name, spec.rate_hz, spec.source)
    rules = Rules(store, loops, lambda spec: make_actuator(spec, home), refused=refused)
    app = make_app(Desk(store=store, loops=loops, rules=rules), token=token, most_bytes=most_bytes)
    server = server_of(app)
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            eventually(lambda: server.started)
            with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
                yield Web(url, store, rules, client)
        finally:
            server.should_exit = True
            thread.join()
            store.close()
