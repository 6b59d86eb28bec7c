"""A log that is asked over HTTP: what it says, and what happens where it does not answer as a log does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.evidence import ask, failed, logged
from support.logs import SIGNER, TestLog

from lumen_workers.adapters import tlog
from lumen_workers.adapters.tlog import HttpLog
from lumen_workers.domain.errors import UsageError
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.tiles import CHECKPOINT


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a folder, or with a handler's class, on a free port; returns the address."""
    servers: list[ThreadingHTTPServer] = []

    def start(handler: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def log(tmp_path: Path) -> TestLog:
    return TestLog(tmp_path / "log")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Evidence that is in a log."""
    return logged(TestLog(tmp_path_factory.mktemp("log")))


def test_a_log_over_http_is_the_log_in_its_folder(log: TestLog, serve: Serve) -> None:
    data = logged(log)
    url = serve(partial(Quiet, directory=log.folder.path))
    for address in (url, url + "/"):
        there = HttpLog(address)
        assert there.checkpoint() == log.folder.checkpoint()
        assert there.tree(300).root() == log.folder.tree(300).root()
        for index in (0, 199, 200, 255, 256, 299):
            assert there.entry(index, 300) == log.folder.entry(index, 300)
            assert there.tree(300).inclusion(index) == log.folder.tree(300).inclusion(index)
        assert failed(ask(data, log=there)) == ("", "")
    (log.folder.path / CHECKPOINT).unlink()
    assert failed(ask(data, log=HttpLog(url))) == ("log", "log_unreachable")


def test_an_audit_over_http_finds_what_one_of_the_folder_finds(log: TestLog, serve: Serve) -> None:
    log.fill(300, batch=150)
    there = HttpLog(serve(partial(Quiet, directory=log.folder.path)))
    report = audit_log(there, SIGNER.key, remembered=log.folder.checkpoint())
    assert (report.ok, report.size, report.entries, report.tiles) == (True, 300, 300, 3)
    (log.folder.path / "tile/0/000").unlink()
    (log.folder.path / "tile/entries/001.p/44").unlink()
    here = audit_log(log.folder, SIGNER.key)
    report = audit_log(there, SIGNER.key)
    assert report.findings == here.findings
    assert [finding.reason for finding in report.findings] == ["log_truncated", "entry_missing"]


def test_an_entry_that_was_taken_away(log: TestLog, serve: Serve) -> None:
    data = logged(log)
    for path in (log.folder.path / "tile/entries").rglob("*"):
        if path.is_file():
            path.unlink()
    url = serve(partial(Quiet, directory=log.folder.path))
    assert failed(ask(data, log=HttpLog(url))) == ("log", "log_truncated")


def answering(status: int, *chunks: bytes, **headers: str) -> type[Quiet]:
    """A server that answers so, whatever it is asked."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            try:
                for chunk in chunks:
                    self.wfile.write(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass

    return Handler


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (answering(500), "log_unreachable"),
        (answering(302, location="/elsewhere"), "log_unreachable"),
        (answering(404), "log_unreachable"),
        (answering(200, *[b"x" * 2**20] * 64), "log_unreachable"),
        (answering(200, b"garbage"), "checkpoint_malformed"),
        (answering(200, b"x", content_length="100"), "log_unreachable"),
        (answering(200, b"\x1f\x8b\x08", content_encoding="gzip"), "checkpoint_malformed"),
    ],
)
def test_what_does_not_answer_as_a_log_does(data: bytes, serve: Serve, handler: type[Quiet], reason: str) -> None:
    assert failed(ask(data, log=HttpLog(serve(handler)))) == ("log", reason)


def test_one_that_never_ends(data: bytes, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlog, "_WHOLE_S", 0.0)
    url = serve(answering(200, b"x"))
    assert failed(ask(data, log=HttpLog(url))) == ("log", "log_unreachable")


def test_one_that_is_not_there(data: bytes) -> None:
    for url in ("http://127.0.0.1:1", "http://[", "http://"):
        assert failed(ask(data, log=HttpLog(url))) == ("log", "log_unreachable")
    with pytest.raises(UsageError):
        HttpLog("ftp://127.0.0.1")
