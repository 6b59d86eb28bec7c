"""The exporter over HTTP, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path

import pytest
from support.contexts import World
from support.metrics import closed, get, view

from lumen_workers.domain.errors import ConfigError, EnvironmentFault, StoreUnavailable
from lumen_workers.domain.journal import RHYTHM
from lumen_workers.domain.ports import Store
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.server import Exporter, is_loopback

Serve = Callable[..., AbstractContextManager[str]]
TOKEN = "a-token-of-some-length"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@contextmanager
def served(store: Callable[[], Store], token: str | None = None) -> Iterator[str]:
    exporter = Exporter(host="127.0.0.1", port=0, store=store, collector=StoreCollector(store, view()), token=token)
    thread = threading.Thread(target=exporter.serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{exporter.port}"
    finally:
        exporter.stop()
        thread.join(10)


def test_metrics_health_and_the_way_to_them(world: World) -> None:
    with served(lambda: world.store) as url:
        home = get(f"{url}/")
        assert (home.status, home.headers["Location"]) == (302, "/metrics")
        plain = get(f"{url}/metrics")
        assert plain.status == 200
        assert plain.headers["Content-Type"].startswith("text/plain; version=")
        assert "# TYPE lumen_region_up gauge\n" in plain.text
        newer = get(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert newer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert newer.text.endswith("# EOF\n")
        assert (get(f"{url}/healthz").status, get(f"{url}/else").status) == (200, 404)


def test_the_rhythm_has_a_page_of_its_own(world: World) -> None:
    world.store.loops.register("main", 5, "mock")
    with served(lambda: world.store) as url:
        assert get(f"{url}/rhythm_metrics").text == ""
        line = {"blend": 0.5, "delta_phase": 0.01, "contributions": {"light": 0.5, "sound": None}, "problem": None}
        world.store.journal.append("main", RHYTHM, line)
        answer = get(f"{url}/rhythm_metrics")
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert {row for row in answer.text.splitlines() if not row.startswith("#")} == {
            'lumen_rhythm_blend{loop="main"} 0.5',
            'lumen_rhythm_delta_phase{loop="main"} 0.01',
            'lumen_rhythm_contribution{loop="main",of="light"} 0.5',
            'lumen_rhythm_problem{loop="main"} 0.0',
        }
        assert 'lumen_rhythm_blend{loop="main"} 0.5' in get(f"{url}/metrics").text.splitlines()


def test_the_last_runs(world: World) -> None:
    for number in range(1, 4):
        closed(world.store, date(2026, 1, number))
        world.clock.advance(60)
    with served(lambda: world.store) as url:
        rows = json.loads(get(f"{url}/api/runs?limit=2").text)
        assert [(row["day"], row["status"]) for row in rows] == [("2026-01-03", "done"), ("2026-01-02", "done")]
        assert set(rows[0]) >= {"run_id", "region", "error_class", "trace_id", "root", "started"}
        assert rows[0]["root"] == world.store.runs.rows(limit=1)[0].digest is not None
        assert len(json.loads(get(f"{url}/api/runs").text)) == 3
        for limit in ("0", "101", "x", "-1", "9" * 40, "%C2%B2"):
            assert get(f"{url}/api/runs?limit={limit}").status == 400, limit


def test_a_store_that_is_away_is_one_line_and_no_number(world: World) -> None:
    away = [True]

    def store() -> Store:
        if away[0]:
            raise StoreUnavailable("store x:\nno answer")
        return world.store

    with served(store) as url:
        for path in ("/metrics", "/rhythm_metrics", "/healthz", "/api/runs"):
            answer = get(url + path)
            assert (answer.status, answer.text) == (503, "store x: no answer\n")
        away[0] = False
        assert get(f"{url}/metrics").status == 200
        away[0] = True
        assert get(f"{url}/metrics").status == 503


def test_a_token_guards_all_but_health(world: World) -> None:
    with served(lambda: world.store, TOKEN) as url:
        for path in ("/metrics", "/rhythm_metrics", "/api/runs"):
            assert get(url + path).status == 401
            assert get(url + path, Authorization=f"Bearer {TOKEN}x").status == 401
            assert get(url + path, Authorization=f"Bearer {TOKEN}").status == 200
        assert get(f"{url}/healthz").status == 200


def test_an_open_address_needs_a_token(world: World) -> None:
    collector = StoreCollector(lambda: world.store, view())
    for host in ("0.0.0.0", "::", "some.host"):
        with pytest.raises(ConfigError, match="LUMEN_EXPORTER_TOKEN"):
            Exporter(host=host, port=0, store=lambda: world.store, collector=collector)
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4


def test_a_port_that_is_taken_is_named(world: World) -> None:
    with served(lambda: world.store) as url:
        port = int(url.rpartition(":")[2])
        collector = StoreCollector(lambda: world.store, view())
        with pytest.raises(EnvironmentFault, match=f"127.0.0.1:{port}.*LUMEN_EXPORTER_PORT"):
            Exporter(host="127.0.0.1", port=port, store=lambda: world.store, collector=collector)
