"""Reads single fields of a row that came from outside; whatever is wrong is a short reason to count by."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lumen_workers.domain.clock import parse_ts
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.ids import check_name
from lumen_workers.domain.signals import SHORT, SIGNALS

_LONG = {short: name for name, short in SHORT.items()} | {name: name for name in SIGNALS}


class Refused(ValueError):
    """A row that cannot be taken in; ``reason`` is one word, or one word and the field's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def json_object(line: bytes) -> dict[str, Any]:
    """One JSON object. Raises Refused: ``encoding``, ``json`` (also for NaN and Infinity), ``object``."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Refused("encoding") from None
    except (ValueError, RecursionError):
        raise Refused("json") from None
    if not isinstance(value, dict):
        raise Refused("object")
    return value


def text(row: Mapping[str, Any], key: str) -> str:
    """A non-empty text. Raises Refused."""
    value = row.get(key)
    if value is None or value == "":
        raise Refused(f"missing {key}")
    if not isinstance(value, str):
        raise Refused(f"type {key}")
    return storable(value, key)


def text_or(row: Mapping[str, Any], key: str, default: str) -> str:
    """A text, or ``default`` where the key is missing or null. Raises Refused for another type."""
    value = row.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Refused(f"type {key}")
    return storable(value, key)


def rule(row: Mapping[str, Any]) -> str:
    """The row's rule name. Raises Refused."""
    try:
        return check_name(text(row, "rule"), "rule")
    except UsageError:
        raise Refused("rule") from None


def instant(row: Mapping[str, Any], key: str) -> datetime:
    """A time with an offset. Raises Refused: ``missing``, ``ts`` (not ISO 8601) or ``naive``."""
    value = text(row, key)
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        raise Refused("ts") from None
    if parsed.tzinfo is None:
        raise Refused("naive")
    try:
        return parse_ts(value, key)
    except OverflowError:
        raise Refused("ts") from None


def number(row: Mapping[str, Any], key: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number in [low, high], from a JSON number or a CSV text. Raises Refused."""
    value = number_or_none(row, key, low, high)
    if value is None:
        raise Refused(f"missing {key}")
    return value


def number_or_none(row: Mapping[str, Any], key: str, low: float = -math.inf, high: float = math.inf) -> float | None:
    """The same, or None where the key is missing, null or empty. Raises Refused."""
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused(f"type {key}")
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        raise Refused(f"number {key}") from None
    if not math.isfinite(parsed):
        raise Refused(f"nan {key}")
    if not low <= parsed <= high:
        raise Refused(f"range {key}")
    return parsed + 0.0


def changes(row: Mapping[str, Any], key: str) -> dict[str, float]:
    """Signal → Δ in [-1, 1] of an object with short or long signal names; null ones are left out. Raises Refused."""
    value = row.get(key)
    if not isinstance(value, Mapping):
        raise Refused(f"missing {key}" if value is None else f"type {key}")
    found = {}
    for name in value:
        if name not in _LONG:
            raise Refused(f"signal {key}")
        change = number_or_none(value, name, -1.0, 1.0)
        if change is not None:
            found[_LONG[name]] = change
    return {name: found[name] for name in SIGNALS if name in found}


def _no_constant(name: str) -> float:
    raise ValueError(name)


def storable(value: str, key: str) -> str:
    """``value`` if every store keeps it. Raises Refused."""
    # Half a surrogate pair cannot be written as UTF-8, and PostgreSQL keeps no NUL.
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Refused(f"encoding {key}")
    return value
