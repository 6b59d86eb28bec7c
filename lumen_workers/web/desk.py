"""What the routes work on, and how they read and answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from lumen_workers.domain.ports import Store
from lumen_workers.domain.records import LoopSpec
from lumen_workers.loop.rules import Rules

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One process's store, declared loops and their rules. Threads share it."""

    store: Store
    loops: Mapping[str, LoopSpec]
    rules: Rules

    def loop(self, name: str) -> LoopSpec:
        """A declared loop; 404."""
        if name not in self.loops:
            raise HTTPException(404, f"unknown loop {name!r}; loops.yaml has: {', '.join(sorted(self.loops))}")
        return self.loops[name]


def kind_of(request: Request) -> str:
    """The body's media type. A compressed body is 415: how large it becomes cannot be told beforehand."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "send the body without Content-Encoding")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_object(request: Request) -> dict[str, Any]:
    """The body, which must say that it is JSON and be one object; 415, 400."""
    if kind_of(request) != JSON:
        raise HTTPException(415, f"Content-Type must be {JSON}")
    return parse_object(await request.body())


def parse_object(data: bytes) -> dict[str, Any]:
    """One JSON object without NaN and Infinity; 400."""
    try:
        found = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "the body must be one JSON object")
    return found


def check_keys(found: Mapping[str, Any], needed: frozenset[str], allowed: frozenset[str]) -> None:
    """400 for a key that is missing or unknown."""
    if missing := sorted(needed - found.keys()):
        raise HTTPException(400, f"{missing[0]}: missing")
    if unknown := sorted(found.keys() - allowed):
        raise HTTPException(400, f"{unknown[0][:80]}: unknown key; allowed: {', '.join(sorted(allowed))}")


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
