"""The prometheus source against a real node exporter, and against servers that misbehave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from support.loops import RuleBook, eventually, http_peer, loop_spec
from support.node_exporter import node_exporter

from lumen_workers.adapters.sources import make_source
from lumen_workers.adapters.sources.prometheus import PrometheusSource
from lumen_workers.domain.signals import SIGNALS

RATE_HZ = 10


@pytest.fixture(scope="module")
def exporter() -> Iterator[str]:
    with node_exporter() as url:
        yield url


def opened(url: str, options: dict[str, Any], home: Path) -> PrometheusSource:
    spec = loop_spec(f"prometheus:{url}", options, rate_hz=RATE_HZ)
    source = make_source(spec, store=RuleBook().store, home=home)
    assert isinstance(source, PrometheusSource)
    source.open(None)
    return source


def rows(source: PrometheusSource, count: int) -> list[list[float]]:
    got: list[list[float]] = []

    def tick() -> bool:
        got.extend(source.read(time.time_ns() // 1000, 0.0).values.tolist())
        time.sleep(1 / RATE_HZ)
        return len(got) >= count

    eventually(tick, f"{count} rows; {source.problems()}", 20)
    return got


def same(metric: str, **more: Any) -> dict[str, Any]:
    return {name: {"metric": metric, **more} for name in SIGNALS}


@pytest.mark.node_exporter
def test_a_real_node_exporter(exporter: str, tmp_path: Path) -> None:
    cores, memory = psutil.cpu_count() or 1, psutil.virtual_memory()
    options = {
        "signals": {
            "phase_diff": {"metric": "node_load1", "max": 1000.0},
            "entropy_rate": {"metric": "node_cpu_seconds_total", "rate": True, "scale": 1 / cores, "max": 2.0},
            "creative_band": {
                "metric": "node_cpu_seconds_total",
                "labels": {"mode": "idle", "cpu": "0"},
                "rate": True,
            },
            "risk_band": {"metric": "node_memory_MemTotal_bytes", "scale": 1 / memory.total, "max": 2.0},
        },
        "rate_window_s": 1.0,
    }
    source = opened(exporter, options, tmp_path)
    try:
        last = rows(source, 15)[-1]
    finally:
        source.close()
    by_name = dict(zip(SIGNALS, last, strict=True))
    assert by_name["phase_diff"] == pytest.approx(psutil.getloadavg()[0] / 1000, abs=0.01)
    assert by_name["entropy_rate"] == pytest.approx(0.5, abs=0.15)  # all modes of a core add up to a second a second
    assert 0.0 <= by_name["creative_band"] <= 1.0
    assert by_name["risk_band"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.node_exporter
def test_a_metric_that_is_not_there_is_missing(exporter: str, tmp_path: Path) -> None:
    signals = {**same("node_load1"), "risk_band": {"metric": "node_absent"}}
    source = opened(exporter, {"signals": signals}, tmp_path)
    try:
        eventually(lambda: source.problems().get("no_value_risk_band"), "the problem")
        assert len(source.read(time.time_ns() // 1000, 0.0)) == 0
    finally:
        source.close()


def test_a_query_server(tmp_path: Path) -> None:
    asked: set[str] = set()
    series = {
        "scalar(a)": {"resultType": "scalar", "result": [1.0, "0.25"]},
        "b{x='1'}": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, v]} for v in ("1", "3")]},
        "c": {"resultType": "vector", "result": [{"metric": {}, "value": [1.0, "99"]}]},
    }

    def answer(path: str) -> tuple[int, bytes]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)["query"][0]
        asked.add(parts.path)
        return 200, json.dumps({"status": "success", "data": series[query]}).encode()

    signals = {
        "phase_diff": {"query": "scalar(a)"},
        "entropy_rate": {"query": "b{x='1'}", "combine": "mean", "scale": 0.1},
        "creative_band": {"query": "c"},
        "risk_band": {"query": "c", "scale": 0.001},
    }
    with http_peer(answer) as url:
        source = opened(f"{url}/prom/", {"mode": "query", "signals": signals}, tmp_path)
        try:
            assert rows(source, 2)[1] == pytest.approx([0.25, 0.2, 1.0, 0.099])
        finally:
            source.close()
    assert asked == {"/prom/api/v1/query"}


class Peer:
    """Answers with what it holds."""

    def __init__(self) -> None:
        self.status, self.body, self.delay = 200, b"m 0.5\n", 0.0

    def __call__(self, path: str) -> tuple[int, bytes]:
        time.sleep(self.delay)
        return self.status, self.body


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"status": 500}, "status"),
        ({"status": 302}, "status"),
        ({"body": b"m is high\n"}, "answer"),
        ({"body": b"\xff\xfe"}, "answer"),
        ({"body": b"m 1\n" * 5_000_000}, "answer"),
        ({"body": b"m NaN\n"}, "no_value_phase_diff"),
        ({"body": b""}, "no_value_risk_band"),
        ({"delay": 1.0}, "unreachable"),
    ],
)
def test_a_failure_is_missing_and_mends_itself(change: dict[str, Any], kind: str, tmp_path: Path) -> None:
    peer = Peer()
    with http_peer(peer) as url:
        source = opened(url, {"signals": same("m"), "timeout_s": 0.5}, tmp_path)
        try:
            assert rows(source, 1) == [[0.5] * 4]
            good = dict(vars(peer))
            vars(peer).update(change)
            before = source.problems().get(kind, 0)

            def failed() -> bool:
                source.read(time.time_ns() // 1000, 0.0)
                return source.problems().get(kind, 0) > before + 1

            eventually(failed, kind)
            assert len(source.read(time.time_ns() // 1000 + 1, 0.0)) == 0
            vars(peer).update(good, body=b"m 0.75\n")
            assert rows(source, 1) == [[0.75] * 4]
        finally:
            source.close()


def test_a_peer_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    with http_peer(Peer()) as url:
        source = opened(url, {"signals": same("m")}, tmp_path)
        rows(source, 1)
    try:

        def refused() -> bool:
            source.read(time.time_ns() // 1000, 0.0)
            return source.problems().get("unreachable", 0) > 1

        eventually(refused, "nobody listens")
        assert len(source.read(time.time_ns() // 1000 + 1, 0.0)) == 0
    finally:
        source.close()


def test_a_peer_that_drips_is_given_up(tmp_path: Path) -> None:
    """Every piece comes in time, the whole never does."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            while not stop.is_set():
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not stop.wait(0.02):
                        connection.sendall(b"#")

        thread = threading.Thread(target=drip)
        thread.start()
        source = opened(
            f"http://127.0.0.1:{server.getsockname()[1]}", {"signals": same("m"), "timeout_s": 0.2}, tmp_path
        )
        try:
            eventually(lambda: source.problems().get("unreachable"), "the end of patience")
        finally:
            stop.set()
            with suppress(OSError):
                socket.create_connection(server.getsockname(), 1).close()
            thread.join()
            source.close()


def test_a_value_that_waited_is_outdated(tmp_path: Path) -> None:
    with http_peer(Peer()) as url:
        source = opened(url, {"signals": same("m")}, tmp_path)
        try:
            rows(source, 1)
            time.sleep(0.5)  # five periods without a read
            assert len(source.read(time.time_ns() // 1000, 0.0)) == 0
            rows(source, 1)
        finally:
            source.close()
