"""What every source of surroundings promises (the port ``EnvironmentSource``), whatever it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.loops import http_peer

from lumen_workers.adapters.environment import make_environment
from lumen_workers.domain.clock import iso
from lumen_workers.domain.environment import INPUTS, Surrounding
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports.environment import EnvironmentSource

NOW = datetime(2026, 1, 31, 0, 5, tzinfo=UTC)
SINCE = NOW - timedelta(seconds=15)
Cell = float | str | None
Rows = Sequence[tuple[str, Cell, Cell, Cell]]


class Bench:
    """One kind of source, and what its peer has to say."""

    def __init__(self, source: EnvironmentSource, say: Callable[[Rows], None], be_gone: Callable[[], None]) -> None:
        self.source = source
        self.say = say
        self.be_gone = be_gone


@pytest.fixture(params=["csv", "http"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "csv":
        path = tmp_path / "logs" / "environment.csv"
        path.parent.mkdir()

        def write(rows: Rows) -> None:
            lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
            path.write_text("\n".join(["ts,light_intensity,ambient_temp,sound_level", *lines, ""]))

        source = make_environment("csv:logs/environment.csv", home=tmp_path, timeout_s=2.0)
        assert source is not None
        write([])
        yield Bench(source, write, path.unlink)
        return
    answer = [200, b"[]"]

    def tell(rows: Rows) -> None:
        keys = ("ts", *INPUTS)
        answer[:] = [200, json.dumps([dict(zip(keys, row, strict=True)) for row in rows]).encode()]

    def be_gone() -> None:
        answer[:] = [503, b"later"]

    def get(_path: str) -> tuple[int, bytes]:
        status, body = answer
        assert isinstance(status, int)
        assert isinstance(body, bytes)
        return status, body

    with http_peer(get) as url:
        source = make_environment(f"http:{url}/now", home=tmp_path, timeout_s=10.0)
        assert source is not None
        yield Bench(source, tell, be_gone)


def text(seconds: float) -> str:
    return iso(NOW + timedelta(seconds=seconds))


def test_readings_come_with_their_own_times(bench: Bench) -> None:
    bench.say([(text(-1), 320.5, 21.75, 48.0), ("2026-01-31T09:05:00+09:00", 321, 22, 49)])
    found = bench.source.observe(SINCE, NOW)
    assert found.problem is None
    assert found.readings == (
        Surrounding(ts=NOW - timedelta(seconds=1), light_intensity=320.5, ambient_temp=21.75, sound_level=48.0),
        Surrounding(ts=NOW, light_intensity=321.0, ambient_temp=22.0, sound_level=49.0),
    )


def test_what_is_not_measured_is_missing(bench: Bench) -> None:
    bench.say([(text(0), None, 21.0, None)])
    [found] = bench.source.observe(SINCE, NOW).readings
    assert (found.light_intensity, found.ambient_temp, found.sound_level) == (None, 21.0, None)


def test_only_what_was_asked_for_in_ascending_order(bench: Bench) -> None:
    bench.say([(text(seconds), 1.0, 2.0, 3.0) for seconds in (-1, -3, -15, -14.5, 0.5, -20)])
    times = [(one.ts - NOW).total_seconds() for one in bench.source.observe(SINCE, NOW).readings]
    assert times == [-14.5, -3.0, -1.0]


def test_each_call_looks_anew(bench: Bench) -> None:
    bench.say([(text(-1), 1.0, 2.0, 3.0)])
    first = bench.source.observe(SINCE, NOW)
    assert bench.source.observe(SINCE, NOW) == first
    bench.say([(text(-1), 4.0, 2.0, 3.0)])
    assert bench.source.observe(SINCE, NOW).readings[0].light_intensity == 4.0


@pytest.mark.parametrize(
    "row",
    [
        (text(-1)[:-6], 1.0, 2.0, 3.0),
        ("yesterday", 1.0, 2.0, 3.0),
        (text(-1), "bright", 2.0, 3.0),
        (text(-1), 1.0, "nan", 3.0),
        (text(-1), 1.0, 2.0, "inf"),
    ],
)
def test_what_is_no_reading_is_told_in_one_line(bench: Bench, row: tuple[str, Cell, Cell, Cell]) -> None:
    bench.say([row])
    found = bench.source.observe(SINCE, NOW)
    assert found.readings == ()
    assert found.problem is not None
    assert "\n" not in found.problem


def test_a_peer_that_is_gone_is_a_problem_and_no_error(bench: Bench) -> None:
    bench.say([(text(-1), 1.0, 2.0, 3.0)])
    bench.be_gone()
    found = bench.source.observe(SINCE, NOW)
    assert found.readings == ()
    assert found.problem is not None


def test_none_is_no_source(tmp_path: Path) -> None:
    assert make_environment("none", home=tmp_path, timeout_s=1.0) is None


REFUSED = {
    "": "is none of none, csv:PATH and http:URL",
    "none:x": "is none of",
    "csv": "is none of",
    "http:": "is none of",
    "mqtt:x": "is none of",
    "csv:../x.csv": "leaves the home",
    "http:sensors": "give a URL",
    "http:ftp://127.0.0.1/x": "give a URL",
    "http:http://127.0.0.1:0/x": "give a URL",
    "http:http://[::1/x": "give a URL",
    "http:http://192.168.0.9/x": "plain http goes to this machine only",
    "http:http://localhost.example/x": "plain http goes to this machine only",
    "http:https://me:word@sensors.example/x": "must not hold credentials",
}


@pytest.mark.parametrize(("source", "wanted"), REFUSED.items(), ids=list(REFUSED))
def test_other_sources_are_refused_in_one_line(tmp_path: Path, source: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"^rhythm: source: .*{wanted}"):
        make_environment(source, home=tmp_path, timeout_s=1.0)


@pytest.mark.parametrize("url", ["https://sensors.example/x", "http://localhost:9/x", "http://[::1]:9/x"])
def test_these_addresses_are_fine(tmp_path: Path, url: str) -> None:
    source = make_environment(f"http:{url}", home=tmp_path, timeout_s=1.0)
    assert source is not None
    assert source.name == "http"
