"""Readings from a web address that answers with JSON: one object, or a list of them."""

from __future__ import annotations

import json
import logging
import math
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn

import httpx

from lumen_workers.adapters.deadline import Deadline
from lumen_workers.domain.clock import parse_ts
from lumen_workers.domain.environment import INPUTS, Observed, Surrounding
from lumen_workers.domain.errors import UsageError

MOST_BYTES = 64 * 1024
"""Of an answer; a larger one is not read to its end."""


class WebEnvironment:
    """``http:URL``. Keys are ``ts`` and the inputs' names; without ``ts`` the reading is of now, null is not measured.

    Redirects are not followed, proxies of the environment not used. ``timeout_s`` is for the whole conversation.
    """

    name = "http"

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    def observe(self, since: datetime, now: datetime) -> Observed:
        """The readings of the answer with ``since < ts <= now``, ascending."""
        found: list[socket.socket] = []
        deadline = Deadline(self._timeout_s, lambda: found[-1] if found else None)
        try:
            with deadline:
                rows = _rows(self._get(found), now)
        except (httpx.HTTPError, ValueError, UsageError) as error:
            why = f"no answer within {self._timeout_s:g} s" if deadline.passed else str(error) or type(error).__name__
            return Observed(problem=f"{self._url}: {why}")
        return Observed(readings=tuple(sorted((r for r in rows if since < r.ts <= now), key=lambda one: one.ts)))

    def _get(self, found: list[socket.socket]) -> bytes:
        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                found.append(info["return_value"].get_extra_info("socket"))

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request at INFO
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        with (
            httpx.Client(timeout=self._timeout_s, trust_env=False) as client,
            client.stream("GET", self._url, headers=headers, extensions={"trace": trace}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"answered {response.status_code}, not 200")
            return b"".join(_bounded(response))


def _bounded(response: httpx.Response) -> Iterator[bytes]:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("the answer is compressed, which was not asked for")
    size = 0
    for piece in response.iter_raw():
        size += len(piece)
        if size > MOST_BYTES:
            raise ValueError(f"the answer is larger than {MOST_BYTES // 1024} KiB")
        yield piece


def _rows(body: bytes, now: datetime) -> list[Surrounding]:
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("the answer is not JSON") from None
    return [_row(one, now) for one in (found if isinstance(found, list) else [found])]


def _row(found: Any, now: datetime) -> Surrounding:
    if not isinstance(found, dict) or not any(name in found for name in INPUTS):
        raise ValueError(f"the answer has none of {', '.join(INPUTS)}")
    ts = found.get("ts")
    if ts is not None and not isinstance(ts, str):
        raise ValueError("ts: needs ISO 8601 text")
    values = {name: _number(name, found.get(name)) for name in INPUTS}
    return Surrounding(ts=now if ts is None else parse_ts(ts), **values)


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: needs a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name}: needs a finite number")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)
