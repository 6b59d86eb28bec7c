"""Metrics as a file and to a Pushgateway."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.contexts import World
from support.metrics import view

from lumen_workers.domain.errors import (
    ConfigError,
    EnvironmentFault,
    ExternalApiError,
    NetworkError,
    StoreUnavailable,
    TokenExpired,
)
from lumen_workers.domain.ports import Store
from lumen_workers.observability.collector import StoreCollector
from lumen_workers.observability.push import push, write_textfile


def _away() -> Store:
    raise StoreUnavailable("away")


AWAY = StoreCollector(_away, view())


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[StoreCollector]:
    world = World(tmp_path)
    yield StoreCollector(lambda: world.store, view())
    world.close()


class Gateway(ThreadingHTTPServer):
    """What a Pushgateway gets; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Taker)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Taker(BaseHTTPRequestHandler):
    server: Gateway

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.command, self.path, self.headers.get("Authorization", ""), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    made = Gateway()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join(10)
    made.server_close()


def test_the_file_is_whole_and_goes_when_it_is_no_longer_true(tmp_path: Path, collector: StoreCollector) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    path = write_textfile(folder, collector)
    assert path.name == "lumen.prom"
    assert "lumen_days_failed_total" in path.read_text()
    assert list(folder.iterdir()) == [path]
    with pytest.raises(StoreUnavailable):
        write_textfile(folder, AWAY)
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, collector: StoreCollector) -> None:
    with pytest.raises(EnvironmentFault, match="LUMEN_TEXTFILE_DIR"):
        write_textfile(tmp_path / "nosuch", collector)


def test_a_push_replaces_the_one_group(gateway: Gateway, collector: StoreCollector) -> None:
    assert push(f"http://{gateway.url}", collector) == f"http://{gateway.url}"
    push(f"http://kim:p%40ss@{gateway.url}/", collector)
    (method, path, nobody, body), (_, again, somebody, _) = gateway.got
    assert (method, path, again, nobody) == ("PUT", "/metrics/job/lumen", "/metrics/job/lumen", "")
    assert b"lumen_days_failed_total" in body
    assert somebody == "Basic " + base64.b64encode(b"kim:p@ss").decode()


def test_what_goes_wrong_is_one_line_without_the_password(gateway: Gateway, collector: StoreCollector) -> None:
    for status, kind in ((500, ExternalApiError), (400, ExternalApiError), (401, TokenExpired), (403, TokenExpired)):
        gateway.status = status
        with pytest.raises(kind) as caught:
            push(f"http://kim:secret@{gateway.url}", collector)
        assert "secret" not in str(caught.value)
    for url in ("gateway:9091", "ftp://x", "http://", "http://a:b:c"):
        with pytest.raises(ConfigError, match="PUSHGATEWAY_URL"):
            push(url, collector)
    with pytest.raises(StoreUnavailable):
        push(f"http://{gateway.url}", AWAY)
    assert len(gateway.got) == 4


def test_nobody_there(gateway: Gateway, collector: StoreCollector) -> None:
    with pytest.raises(NetworkError, match="did not take"):
        push("http://127.0.0.1:1", collector)
