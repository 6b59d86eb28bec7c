"""A loop that sends its samples."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from support.webs import Web

from lumen_workers.domain.clock import from_us, iso, to_us
from lumen_workers.domain.signals import SIGNALS
from lumen_workers.loop.metrics_csv import HEADER
from lumen_workers.web.rows import MOST_ROWS

VALUES = dict(zip(SIGNALS, (0.1, 0.2, 0.3, 0.4), strict=True))


def start(site: Web) -> int:
    return to_us(site.store.now()) - 3_600_000_000


def push(site: Web, **body: Any) -> httpx.Response:
    return site.client.post("/v1/samples", json=body)


def samples(first: int, count: int) -> list[dict[str, Any]]:
    return [{"ts": first + k * 200_000, **VALUES} for k in range(count)]


def test_samples_are_stored_once_whoever_sends_them_again(site: Web) -> None:
    rows = samples(start(site), 10)
    answer = push(site, loop="demo", samples=rows)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 10, "duplicate": 0, "refused": []})
    assert push(site, loop="demo", samples=rows[5:]).json() == {"accepted": 0, "duplicate": 5, "refused": []}
    more = [*reversed(rows), *samples(rows[-1]["ts"] + 200_000, 2)]
    assert push(site, loop="demo", samples=more).json() == {"accepted": 2, "duplicate": 10, "refused": []}
    block = site.store.samples.tail("demo", 100)
    assert block.ts.tolist() == [rows[0]["ts"] + k * 200_000 for k in range(12)]
    assert block.values[0].tolist() == [0.1, 0.2, 0.3, 0.4]


def test_a_time_is_iso_or_microseconds(site: Web) -> None:
    first = start(site)
    rows = [{"ts": iso(from_us(first)), **VALUES}, {"ts": first, **VALUES}, {"ts": first + 1, **VALUES}]
    assert push(site, loop="demo", samples=rows).json() == {"accepted": 2, "duplicate": 1, "refused": []}


def test_columns_say_the_same(site: Web) -> None:
    rows = samples(start(site), 4)
    columns = {name: [row[name] for row in rows] for name in ("ts", *SIGNALS)}
    assert push(site, loop="demo", columns=columns).json() == {"accepted": 4, "duplicate": 0, "refused": []}
    assert push(site, loop="demo", samples=rows).json()["duplicate"] == 4


def test_lines_of_metrics_csv(site: Web) -> None:
    first = start(site)
    lines = [HEADER, *(f"{iso(from_us(first + k * 200_000))},0.1,0.2,0.3,0.4" for k in range(3)), "nonsense", ""]
    answer = site.client.post(
        "/v1/samples?loop=demo", content="\n".join(lines), headers={"Content-Type": "text/csv; charset=utf-8"}
    )
    assert answer.json() == {"accepted": 3, "duplicate": 0, "refused": [{"row": 4, "why": "fields"}]}
    wrong = site.client.post("/v1/samples?loop=demo", content="a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert wrong.status_code == 400
    assert f"the first line must be {HEADER}" in wrong.json()["error"]


def test_rows_that_are_no_samples_are_told_and_the_others_kept(site: Web) -> None:
    first = start(site)
    ahead = to_us(site.store.now() + timedelta(minutes=10))
    good = {"ts": first, **VALUES}
    rows: list[tuple[Any, str]] = [
        ({"ts": ahead, **VALUES}, "future"),
        ({"ts": "yesterday", **VALUES}, "ts"),
        ({"ts": -1, **VALUES}, "ts"),
        ({"ts": 1.5, **VALUES}, "ts"),
        ({"ts": True, **VALUES}, "ts"),
        ({"ts": 10**30, **VALUES}, "ts"),
        ({"ts": "2026-01-31T00:00:00", **VALUES}, "naive"),
        (good | {"risk_band": 1.01}, "range"),
        (good | {"risk_band": -0.01}, "range"),
        (good | {"risk_band": 10**400}, "range"),
        (good | {"risk_band": "0.1"}, "number"),
        (good | {"risk_band": None}, "number"),
        (good | {"risk_band": True}, "number"),
        (good | {"more": 1}, "fields"),
        ({"ts": first}, "fields"),
        ([first, 0.1, 0.2, 0.3, 0.4], "fields"),
    ]
    answer = push(site, loop="demo", samples=[good, *(row for row, _ in rows)])
    assert answer.status_code == 200
    refused = [{"row": number, "why": why} for number, (_, why) in enumerate(rows, 2)]
    assert answer.json() == {"accepted": 1, "duplicate": 0, "refused": refused}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"loop": "demo"}, 400, "give samples or columns, one of them"),
        ({"loop": "demo", "samples": [], "columns": {}}, 400, "one of them"),
        ({"samples": []}, 400, "loop: name it once"),
        ({"loop": 1, "samples": []}, 400, "loop: name it once"),
        ({"loop": "demo", "samples": {}}, 400, "samples: must be a list of objects"),
        ({"loop": "demo", "samples": [], "x": 1}, 400, "x: unknown key; allowed: columns, loop, samples"),
        ({"loop": "demo", "columns": []}, 400, "columns: must hold the lists"),
        ({"loop": "demo", "columns": {"ts": []}}, 400, "creative_band: missing"),
        ({"loop": "demo", "columns": {"ts": [1], **{name: [] for name in SIGNALS}}}, 400, "must have the same length"),
        ({"loop": "demo", "samples": [0] * (MOST_ROWS + 1)}, 413, "10001 rows; send at most 10000 at once"),
        ({"loop": "nobody", "samples": []}, 404, "unknown loop 'nobody'"),
        ({"loop": "host", "samples": []}, 409, "is sampled by its source 'host'; only push takes samples"),
    ],
)
def test_wrong_bodies(site: Web, body: dict[str, Any], status: int, said: str) -> None:
    answer = push(site, **body)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_most_rows_fit(site: Web) -> None:
    answer = push(site, loop="demo", samples=samples(start(site), MOST_ROWS))
    assert answer.json() == {"accepted": MOST_ROWS, "duplicate": 0, "refused": []}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"loop": "demo", "samples": [NaN]}', {"Content-Type": "application/json"}, 400),
        (b"\xff", {"Content-Type": "application/json"}, 400),
        (b"[" * 100_000, {"Content-Type": "application/json"}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {}, 415),
        (gzip.compress(b"{}", mtime=0), {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
def test_bodies_that_are_not_read(site: Web, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = site.client.post("/v1/samples", content=content, headers=headers)
    assert answer.status_code == status
    assert json.loads(answer.content).keys() == {"error"}
