"""What every source promises (the port ``Source``), whatever it measures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.loops import RuleBook, eventually, http_peer, loop_spec

from lumen_workers.adapters.sources import KINDS, PUSH, check_source, host, is_sampled, make_source
from lumen_workers.domain.clock import from_us, iso
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports import Source
from lumen_workers.domain.records import LoopSpec
from lumen_workers.domain.signals import SIGNALS, Block, period_us
from lumen_workers.loop.metrics_csv import HEADER

VALUES = dict(zip(SIGNALS, (0.1, 0.2, 0.3, 0.4), strict=True))
LOOP = "conformance"


class Bench:
    """One kind of source with its peer. ``gate`` cleared: the peer takes calls and does not answer them."""

    def __init__(self, kind: str, home: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self.kind = kind
        self.home = home
        self.book = RuleBook()
        self.gate = self.book.gate
        self.csv: Path | None = None
        url = ""
        if kind.startswith("prometheus"):
            url = stack.enter_context(http_peer(self._answer))
        elif kind == "csv":
            self.csv = home / "metrics.csv"
            self.csv.write_text(HEADER + "\n")
        elif kind == "host":
            shares = host.shares

            def slow_shares(place: Path) -> Iterator[float]:
                if threading.current_thread() is not threading.main_thread():
                    self.gate.wait(30)
                yield from shares(place)

            monkeypatch.setattr(host, "shares", slow_shares)
        self._specs = {
            "host": ("host", {}),
            "csv": (f"csv:{self.csv}", {}),
            "prometheus scrape": (f"prometheus:{url}/metrics", self._mapping("metric", "scrape")),
            "prometheus query": (f"prometheus:{url}", self._mapping("query", "query")),
            "plant": ("plant", {}),
            "mock": ("mock", {}),
        }

    def spec(self, rate_hz: int = 20) -> LoopSpec:
        source, options = self._specs[self.kind]
        return loop_spec(source, options, name=LOOP, rate_hz=rate_hz)

    def make(self, rate_hz: int = 20) -> Source:
        return make_source(self.spec(rate_hz), store=self.book.store, home=self.home)

    def feed(self, tick_us: int) -> None:
        """What another process would append by now."""
        if self.csv is not None:
            with self.csv.open("a") as file:
                file.write(f"{iso(from_us(tick_us - 1))},{','.join(map(str, VALUES.values()))}\n")

    def _mapping(self, key: str, mode: str) -> dict[str, object]:
        signals = {name: {key: f"lumen_{name}"} for name in SIGNALS}
        return {"mode": mode, "signals": signals, "timeout_s": 4.0}

    def _answer(self, path: str) -> tuple[int, bytes]:
        self.gate.wait(30)
        if path == "/metrics":
            return 200, "".join(f"# TYPE lumen_{k} gauge\nlumen_{k} {v}\n" for k, v in VALUES.items()).encode()
        name = parse_qs(urlsplit(path).query)["query"][0].removeprefix("lumen_")
        result = [{"metric": {}, "value": [0, str(VALUES[name])]}]
        return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


ALL = ("host", "csv", "prometheus scrape", "prometheus query", "plant", "mock")


@pytest.fixture(params=ALL)
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with ExitStack() as stack:
        made = Bench(request.param, tmp_path, monkeypatch, stack)
        try:
            yield made
        finally:
            made.gate.set()


def now_tick(rate_hz: int) -> int:
    step = period_us(rate_hz)
    return time.time_ns() // 1000 // step * step


def run(bench: Bench, source: Source, rows: int, rate_hz: int = 20) -> tuple[Block, list[int]]:
    """Tick in real time until ``rows`` have come; returns them and the ticks."""
    blocks: list[Block] = []
    ticks: list[int] = []

    def tick() -> bool:
        at = now_tick(rate_hz)
        if not ticks or at > ticks[-1]:
            bench.feed(at)
            ticks.append(at)
            blocks.append(source.read(at, 0.01))
        return sum(map(len, blocks)) >= rows

    eventually(tick, f"{rows} rows of {bench.kind}")
    return Block.concat(blocks), ticks


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if LOOP in thread.name]


def test_every_kind_is_here() -> None:
    assert {kind.split()[0] for kind in ALL} == set(KINDS) - {PUSH}


def test_nobody_samples_a_loop_that_pushes(tmp_path: Path) -> None:
    spec = loop_spec(PUSH)
    check_source(spec)
    assert not is_sampled(spec)
    assert is_sampled(loop_spec("host"))
    with pytest.raises(ConfigError, match="loop demo: source: nobody samples it here, it sends its samples"):
        make_source(spec, store=RuleBook().store, home=tmp_path)


def test_rows_are_samples_of_the_ticks(bench: Bench) -> None:
    source = bench.make()
    source.open(None)
    try:
        block, ticks = run(bench, source, 5)
    finally:
        source.close()
    assert (block.ts[1:] > block.ts[:-1]).all()
    assert ((block.values >= 0) & (block.values <= 1)).all()
    if bench.kind == "csv":
        assert set(block.ts.tolist()) <= {tick - 1 for tick in ticks}
    else:
        assert set(block.ts.tolist()) <= set(ticks)
    if bench.kind.startswith("prometheus") or bench.kind == "csv":
        assert block.values.tolist() == [list(VALUES.values())] * len(block)
    assert source.host_bound is (bench.kind == "host")


def test_reopened_behind_the_last_sample_it_repeats_nothing(bench: Bench) -> None:
    source = bench.make()
    source.open(None)
    try:
        block, _ = run(bench, source, 3)
        last_us = int(block.ts[-1])
        source.open(last_us)
        assert not (source.read(last_us, 0.0).ts <= last_us).any()
        again, _ = run(bench, source, 3)
        assert int(again.ts[0]) > last_us
    finally:
        source.close()
    other = bench.make()
    other.open(int(again.ts[-1]))
    try:
        assert int(run(bench, other, 2)[0].ts[0]) > int(again.ts[-1])
    finally:
        other.close()


def test_closing_twice_leaves_no_thread_and_gives_no_rows(bench: Bench) -> None:
    source = bench.make()
    source.close()
    source.open(None)
    run(bench, source, 1)
    source.close()
    source.close()
    assert threads() == []
    assert len(source.read(now_tick(20) + 10_000_000, 0.0)) == 0


def test_a_read_does_not_wait_for_its_peer(bench: Bench) -> None:
    """The peer takes 4 s or more to answer; the period is 1 s."""
    bench.gate.clear()
    source = bench.make(rate_hz=1)
    began = time.monotonic()
    source.open(int(bench.book.first_us or now_tick(1) - 10_000_000))
    spent = [time.monotonic() - began]
    rows = 0
    for _ in range(3):
        at = now_tick(1)
        began = time.monotonic()
        rows += len(source.read(at, 0.0))
        spent.append(time.monotonic() - began)
    bench.gate.set()
    source.close()
    assert max(spent) < 1.0
    assert threads() == []
    if bench.kind not in ("host", "csv"):
        assert rows == 0  # nothing is made up
