"""The log's server beside a log that is laid out by its definition: every tile, every proof, every way of asking."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.logs import TestLog
from support.plain_log import PlainLog, leaf, number_path, path, sha
from support.served import ask, served

from lumen_workers.adapters.tlog import HttpLog
from lumen_workers.trust.tlog.audit import audit_log
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.web import published
from lumen_workers.web.tlog import make_log_app

IMMUTABLE = "public, max-age=31536000, immutable"
BRIEF = "public, max-age=5"
TEXT, BYTES, JSON = "text/plain; charset=utf-8", "application/octet-stream", "application/json"


@contextmanager
def serving(log: PlainLog) -> Iterator[str]:
    with served(make_log_app(LogFolder(log.folder), log.folder.parent / "trust.json")) as url:
        yield url


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> PlainLog:
    """More than one full tile of level 1: 66 000 entries."""
    log = PlainLog(tmp_path_factory.mktemp("large") / "log")
    log.add(66_000)
    log.publish()
    return log


@pytest.fixture
def log(tmp_path: Path) -> PlainLog:
    made = PlainLog(tmp_path / "log")
    made.add(600)
    made.publish(300)
    return made


def proven(log: PlainLog, told: dict[str, object], index: int, size: int) -> None:
    """An answer of the JSON interface is what the definition says."""
    assert told == {
        "index": index,
        "size": size,
        "leafHash": leaf(log.entries[index]).hex(),
        "rootHash": log.root(size).hex(),
        "proof": [item.hex() for item in path(index, log.leaves[:size])],
        "entry": base64.b64encode(log.entries[index]).decode(),
    }


def test_every_file_is_served_as_it_is(large: PlainLog) -> None:
    with serving(large) as url:
        files = large.tiles()
        assert {"tile/0/x000/256", "tile/1/000"} & files.keys() == {"tile/1/000"}
        wanted = {name for name in files if re.search(r"\.p/|tile/[12]/|/000$|/255$|/25[67]$", name)}
        assert len(wanted) > 8
        for name in sorted(wanted):
            status, headers, body = ask(url, f"/{name}")
            assert (status, body, headers["content-type"]) == (200, files[name], BYTES), name
            assert headers["cache-control"] == IMMUTABLE
        status, headers, body = ask(url, "/checkpoint")
        assert (status, body, headers["content-type"], headers["cache-control"]) == (
            200,
            large.checkpoint(),
            TEXT,
            BRIEF,
        )


def test_proofs_are_those_of_the_definition(large: PlainLog) -> None:
    with serving(large) as url:
        for index, size in ((0, 1), (0, 66_000), (65_999, 66_000), (65_535, 65_536), (65_536, 65_537), (300, 40_001)):
            status, headers, body = ask(url, f"/v1/log/entry/{index}?size={size}")
            assert (status, headers["content-type"], headers["cache-control"]) == (200, JSON, IMMUTABLE)
            proven(large, json.loads(body), index, size)
        status, headers, body = ask(url, "/v1/log/entry/4711")
        assert (status, headers["cache-control"]) == (200, BRIEF)
        proven(large, json.loads(body), 4711, 66_000)
        status, headers, body = ask(url, "/v1/log/root")
        told = {"size": 66_000, "rootHash": large.root().hex(), "checkpoint": large.checkpoint().decode()}
        assert (status, headers["content-type"], json.loads(body)) == (200, JSON, told)
        assert headers["cache-control"] == BRIEF


def test_partial_tiles_are_those_of_their_size_whatever_lies_there(log: PlainLog) -> None:
    """A crash has left a partial tile that no signed tree had, and the full one has replaced another: as if not."""
    stale = log.folder / "tile/0/001.p/40"
    stale.write_bytes(b"\x00" * 32 * 40)
    (log.folder / "tile/entries/001.p/40").write_bytes(b"\x00\x01x" * 40)
    with serving(log) as url:
        for size in (1, 7, 255, 256, 257, 296, 300):
            for name, data in log.tiles(size).items():
                assert ask(url, f"/{name}")[::2] == (200, data), (size, name)
        log.publish(520)
        for size in (40, 296, 300, 301, 519):
            for name, data in log.tiles(size).items():
                assert ask(url, f"/{name}")[::2] == (200, data), (size, name)


def test_what_is_beyond_the_checkpoint_is_not_there_yet(log: PlainLog) -> None:
    log.write(600)
    beyond = [name for name in log.tiles(600) if name not in log.tiles(300)]
    assert len(beyond) == 5
    with serving(log) as url:
        for name in beyond:
            status, headers, _ = ask(url, f"/{name}")
            assert (status, headers["cache-control"]) == (404, "no-store"), name
        for query in ("300", "300?size=301", "0?size=301", "299?size=299"):
            status, headers, _ = ask(url, f"/v1/log/entry/{query}")
            assert (status, headers["cache-control"]) == (404, "no-store"), query
        log.publish(600)
        assert {ask(url, f"/{name}")[0] for name in beyond} == {200}
        assert ask(url, "/v1/log/entry/300")[0] == 200


ROUTES = [
    "/checkpoint",
    "/tile/0/000",
    "/tile/entries/001.p/44",
    "/trust.json",
    "/v1/log/root",
    "/v1/log/entry/3?size=9",
]


@pytest.mark.parametrize("name", ROUTES)
def test_each_way_of_asking(log: PlainLog, name: str) -> None:
    (log.folder.parent / "trust.json").write_bytes(b'{"a": 1}')
    with serving(log) as url:
        status, headers, body = ask(url, name)
        tag, size = headers["etag"], len(body)
        assert (status, headers["accept-ranges"], tag[0], tag[-1]) == (200, "bytes", '"', '"')
        assert int(headers["content-length"]) == size

        status, again, nothing = ask(url, name, "HEAD")
        assert (status, nothing) == (200, b"")
        varying = {"date"}
        assert {key: again[key] for key in again.keys() - varying} == {
            key: headers[key] for key in headers.keys() - varying
        }

        for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            status, kept, nothing = ask(url, name, If_None_Match=given)
            assert (status, nothing, kept["etag"], kept["cache-control"]) == (304, b"", tag, headers["cache-control"])
        assert ask(url, name, "HEAD", If_None_Match=tag)[0] == 304
        assert ask(url, name, If_None_Match='"x"')[::2] == (200, body)

        for given, start, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=2-4", 2, 5),
            ("bytes=3-", 3, size),
            ("bytes=-2", size - 2, size),
            (f"bytes=1-{size * 9}", 1, size),
            (f"bytes=-{size * 9}", 0, size),
        ):
            status, part, some = ask(url, name, Range=given)
            assert (status, some) == (206, body[start:end]), given
            assert part["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert (part["etag"], int(part["content-length"])) == (tag, end - start)
        assert ask(url, name, Range="bytes=0-1", If_Range=tag)[0] == 206
        for given in ("bytes=0-1,3-4", "bytes=4-2", "bytes=-", "lines=0-1", "bytes=x-1", "bytes=0-1x", "0-1"):
            assert ask(url, name, Range=given)[::2] == (200, body), given
        assert ask(url, name, Range="bytes=0-1", If_Range='"x"')[::2] == (200, body)
        assert ask(url, name, "HEAD", Range="bytes=0-1")[0] == 200
        for given in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0"):
            status, part, some = ask(url, name, Range=given)
            assert (status, part["content-range"]) == (416, f"bytes */{size}"), given
            assert set(json.loads(some)) == {"error"}

        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            status, part, some = ask(url, name, method)
            assert (status, set(part["allow"].split(", "))) == (405, {"GET", "HEAD"}), method
            assert (set(json.loads(some)), part["cache-control"]) == ({"error"}, "no-store")


STRANGE = [
    ("/", 404),
    ("/docs", 404),
    ("/openapi.json", 404),
    ("/checkpoint/", 404),
    ("//checkpoint", 404),
    ("/tile", 404),
    ("/tile/", 404),
    ("/tile/0", 404),
    ("/tile/0/00", 404),
    ("/tile/0/0000", 404),
    ("/tile/00/000", 404),
    ("/tile/-1/000", 404),
    ("/tile/64/000", 404),
    ("/tile/0/x000/000", 404),
    ("/tile/0/000.p/", 404),
    ("/tile/0/000.p/0", 404),
    ("/tile/0/000.p/256", 404),
    ("/tile/0/000.p/01", 404),
    ("/tile/0/000.p/1/", 404),
    ("/tile/0/000/", 404),
    ("/tile/0/000%00", 404),
    ("/tile/0/000%0a", 404),
    ("/tile/0/000.p/44%0a", 404),
    ("/v1/log/entry/3%0a", 400),
    ("/tile/0/%D9%A0%D9%A0%D9%A0", 404),
    ("/tile/0/../../checkpoint", 404),
    ("/tile/../secret", 404),
    ("/tile/0/%2e%2e/%2e%2e/%2e%2e/secret", 404),
    ("/tile//etc/passwd", 404),
    ("/tile/%2Fetc%2Fpasswd", 404),
    ("/tile/0/..%5c..%5csecret", 404),
    ("/../secret", 404),
    ("/tile/entries/" + "x999/" * 7 + "999", 404),
    ("/tile/entries/" + "x999/" * 900 + "999", 404),
    ("/.lock", 404),
    ("/v1/log/entry/", 404),
    ("/v1/log/entry/x", 400),
    ("/v1/log/entry/-1", 400),
    ("/v1/log/entry/01", 400),
    ("/v1/log/entry/1.0", 400),
    ("/v1/log/entry/1e2", 400),
    ("/v1/log/entry/%D9%A1", 400),
    ("/v1/log/entry/" + "9" * 5000, 400),
    ("/v1/log/entry/9999999999999999", 404),
    ("/v1/log/entry/0?size=0", 404),
    ("/v1/log/entry/0?size=", 400),
    ("/v1/log/entry/0?size=-1", 400),
    ("/v1/log/entry/0?size=x", 400),
    ("/v1/log/entry/0?size=9999999999999999", 404),
    ("/v1/log/entry/300", 404),
]


def test_strange_paths(log: PlainLog) -> None:
    (log.folder.parent / "secret").write_text("a secret")
    with serving(log) as url:
        for asked, status in STRANGE:
            got, headers, body = ask(url, asked)
            assert (got, b"secret" in body, b"root:" in body) == (status, False, False), asked
            assert (set(json.loads(body)), body.count(b"\n"), headers["cache-control"]) == ({"error"}, 0, "no-store"), (
                asked
            )


def lost(log: PlainLog) -> None:
    (log.folder / "tile/0/000").unlink()


def cut(log: PlainLog) -> None:
    for name in ("tile/0/000", "tile/entries/000"):
        (log.folder / name).write_bytes((log.folder / name).read_bytes()[:-9])


def changed(log: PlainLog) -> None:
    data = bytearray((log.folder / "tile/0/001.p/44").read_bytes())
    data[40] ^= 1
    (log.folder / "tile/0/001.p/44").write_bytes(data)


def swapped(log: PlainLog) -> None:
    place = log.folder / "tile/entries/000"
    place.write_bytes(place.read_bytes().replace(b"entry 3", b"entry 8", 1))


def damaged(log: PlainLog) -> None:
    (log.folder / "checkpoint").write_bytes(b"garbage")


@pytest.mark.parametrize("harm", [lost, cut, changed, swapped, damaged])
def test_what_does_not_hold_is_not_told(log: PlainLog, harm) -> None:  # type: ignore[no-untyped-def]
    """No proof that is wrong is handed out, let alone as something that may be kept for a year."""
    harm(log)
    with serving(log) as url:
        for query in ("3", "3?size=200"):
            status, headers, body = ask(url, f"/v1/log/entry/{query}")
            assert (status, headers["cache-control"], set(json.loads(body))) == (500, "no-store", {"error"}), body
        drawn = [b"tlog_inclusion_ok 0.0" in ask(url, "/metrics")[2] for _ in range(30)]
        # Each draw finds what lies on the way to every entry, and some find what lies on the way to most.
        assert all(drawn) if harm in (changed, damaged) else any(drawn) or harm is swapped
        for name in ("/tile/0/000", "/tile/entries/000"):
            status, headers, body = ask(url, name)
            assert (status == 200) == (headers["cache-control"] == IMMUTABLE)
            assert len(body) == len(log.tiles(300)[name[1:]]) or status in (404, 500)


def test_metrics(log: PlainLog) -> None:
    with serving(log) as url:
        for name in ("/checkpoint", "/checkpoint", "/tile/0/000", "/tile/0/999", "/tile/entries/000", "/x", "/y" * 99):
            ask(url, name)
        ask(url, "/checkpoint", "POST")
        status, headers, body = ask(url, "/metrics")
        lines = body.decode().splitlines()
        assert (status, headers["content-type"].startswith("text/plain; version=")) == (200, True)
        for wanted in (
            "tlog_entries_total 300.0",
            "tlog_inclusion_ok 1.0",
            'tlog_requests_total{kind="checkpoint",status="200"} 2.0',
            'tlog_requests_total{kind="checkpoint",status="405"} 1.0',
            'tlog_requests_total{kind="tile",status="200"} 1.0',
            'tlog_requests_total{kind="tile",status="404"} 1.0',
            'tlog_requests_total{kind="bundle",status="200"} 1.0',
            'tlog_requests_total{kind="other",status="404"} 2.0',
            'tlog_request_seconds_count{kind="checkpoint"} 3.0',
        ):
            assert wanted in lines, wanted
        log.publish(301)
        assert "tlog_entries_total 301.0" in ask(url, "/metrics")[2].decode()


def test_a_log_that_is_not_there_yet_and_then_is(tmp_path: Path) -> None:
    log = PlainLog(tmp_path / "log")
    with serving(log) as url:
        for name in ("/checkpoint", "/v1/log/root", "/v1/log/entry/0", "/healthz", "/tile/0/000.p/1"):
            status, headers, body = ask(url, name)
            assert (status, headers["retry-after"], headers["cache-control"]) == (503, "5", "no-store"), name
            assert json.loads(body) == {"error": "the log has no checkpoint yet"}
        status, _, body = ask(url, "/metrics")
        assert (status, b"tlog_entries_total" in body, b"tlog_inclusion_ok" in body) == (200, False, False)
        assert ask(url, "/trust.json")[0] == 404
        log.publish()
        assert json.loads(ask(url, "/v1/log/root")[2])["rootHash"] == sha(b"").hex()
        assert ask(url, "/v1/log/entry/0")[0] == 404
        assert "tlog_inclusion_ok 1.0" in ask(url, "/metrics")[2].decode()
        log.add(1)
        log.publish()
        proven(log, json.loads(ask(url, "/v1/log/entry/0")[2]), 0, 1)


def test_memory_is_bounded_and_answers_stay_right(log: PlainLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MOST_TILES", 2)
    looked = published.Published(LogFolder(log.folder))
    log.publish(600)
    first = looked.look()
    assert first is not None
    assert first is looked.look()
    for index in (0, 300, 599):
        first.prove(index, 600)
    again = looked.look()
    assert again is not None
    assert (again is first, again.data == first.data) == (False, True)
    assert again.prove(300, 600) == first.prove(300, 600)


def test_readers_while_the_log_grows(tmp_path: Path) -> None:
    """The package's own writer, batches of all sizes, readers of every kind: nobody sees anything but a whole log."""
    log = TestLog(tmp_path / "log")
    plain = PlainLog(tmp_path)
    log.fill(1)
    wrong: list[str] = []
    done = threading.Event()
    counts = [0, 0, 0]

    def check(number: int, work) -> None:  # type: ignore[no-untyped-def]
        while not done.is_set():
            try:
                work()
            except Exception as error:  # noqa: BLE001
                wrong.append(f"{type(error).__name__}: {error}")
                return
            counts[number] += 1

    with served(make_log_app(log.folder, tmp_path / "none")) as url:
        old: dict[str, str] = {}

        def entries() -> None:
            size = json.loads(ask(url, "/v1/log/root")[2])["size"]
            for index, query in ((size - 1, ""), (size - 1, f"?size={size}"), (0, f"?size={(size + 1) // 2}")):
                status, _, body = ask(url, f"/v1/log/entry/{index}{query}")
                told = json.loads(body)
                assert status == 200, told
                path_of = f"{index} {told['size']}"
                assert old.setdefault(f"root {told['size']}", told["rootHash"]) == told["rootHash"]
                assert old.setdefault(path_of, str(told["proof"])) == str(told["proof"])

        def tiles() -> None:
            size = json.loads(ask(url, "/v1/log/root")[2])["size"]
            for kind in ("0", "entries"):
                index, width = divmod(size - 1, 256)
                name = f"/tile/{kind}/{number_path(index)}" + ("" if width == 255 else f".p/{width + 1}")
                status, _, body = ask(url, name)
                assert status == 200, (name, body)
                assert old.setdefault(name, body.hex()) == body.hex()

        def audits() -> None:
            report = audit_log(HttpLog(url), log.sequencer.signer.key)
            assert report.ok, report

        threads = [
            threading.Thread(target=check, args=(number, work)) for number, work in enumerate((entries, tiles, audits))
        ]
        for thread in threads:
            thread.start()
        for count in (1, 2, 30, 222, 1, 255, 257, 100, 3, 5, 600, 1, 40, 7, 256):
            log.fill(count, batch=70)
        while min(counts) < 3 and not wrong:
            log.fill(1)
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    plain.entries = [log.folder.entry(index, log.count) for index in range(log.count)]
    plain.leaves = [leaf(entry) for entry in plain.entries]
    roots = {int(name.split()[1]): root for name, root in old.items() if name.startswith("root ")}
    assert len(roots) > 2
    assert all(plain.root(size).hex() == root for size, root in roots.items())


def test_a_folder_that_cannot_be_read(log: PlainLog) -> None:
    shutil.rmtree(log.folder / "tile")
    (log.folder / "checkpoint").unlink()
    (log.folder / "checkpoint").mkdir()
    (log.folder.parent / "trust.json").mkdir()
    with serving(log) as url:
        for name in ("/checkpoint", "/v1/log/root", "/healthz", "/trust.json"):
            status, headers, body = ask(url, name)
            assert (status, headers["cache-control"]) == (500, "no-store"), name
            assert json.loads(body)["error"].startswith("the log's files cannot be read")
            assert os.fsencode(log.folder) not in body


def test_what_nobody_has_foreseen_is_told_in_the_same_form(log: PlainLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: LogFolder, tile: object) -> bytes:
        raise RuntimeError("a secret")

    monkeypatch.setattr(LogFolder, "read", broken)
    with serving(log) as url:
        for name in ("/tile/0/000", "/v1/log/entry/3"):
            status, headers, body = ask(url, name)
            assert (status, headers["cache-control"]) == (500, "no-store")
            assert json.loads(body) == {"error": "this server has failed at that"}
        monkeypatch.undo()
        assert b'tlog_requests_total{kind="tile",status="500"} 1.0' in ask(url, "/metrics")[2]
