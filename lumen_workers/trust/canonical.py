"""Canonical JSON: one value, one sequence of bytes. And a strict reader for bytes that come from outside."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def dumps(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, no white space, no escapes but JSON's own, no NaN or infinity.

    Raises ValueError for a value that has no such form.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no canonical JSON: {error}") from None
    return text.encode()


def loads(data: bytes) -> Any:
    """The value of UTF-8 JSON ``data``. Raises ValueError for anything doubtful.

    Doubtful are a key that occurs twice in an object (readers differ in which one counts), NaN and infinity,
    another encoding or a byte order mark, and nesting too deep to read.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
