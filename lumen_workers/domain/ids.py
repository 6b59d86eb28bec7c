"""Identifiers: run ids, trace ids, event ids."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import date

from lumen_workers.domain.errors import UsageError

DAILY = "daily"
REGION_RE = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
NAME_RE = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")


def new_trace_id() -> str:
    """128 random bits as 32 lower-case hex digits (the W3C trace-id form)."""
    return secrets.token_hex(16)


def run_id(pipeline: str, day: date, region: str, code_version: str, attempt: int) -> str:
    """``YYYYMMDD-<region>-<8 hex>``; pipelines but daily put their name first, attempts after the first add ``.n``."""
    if attempt < 1:
        raise ValueError("attempts count from 1")
    base = f"{day:%Y%m%d}-{region}-{code_version[:8]}"
    prefix = "" if pipeline == DAILY else f"{pipeline}-"
    return f"{prefix}{base}" + ("" if attempt == 1 else f".{attempt}")


def content_id(prefix: str, *parts: object) -> str:
    """``<prefix>-<16 hex>`` of the parts: the same parts give the same id, so a second import adds nothing."""
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check_name(value: str, what: str) -> str:
    """A loop's or rule's name: it becomes part of paths and keys. Raises UsageError."""
    if not NAME_RE.match(value):
        raise UsageError(f"{what} {value!r}: use 1 to 40 of a-z, 0-9, _ and -, a letter first")
    return value


def check_region(value: str) -> str:
    """A region's name: it becomes part of queue names, run ids and paths. Raises UsageError."""
    if not REGION_RE.match(value) or len(value) > 40:
        raise UsageError(f"region {value!r}: use words of a-z and 0-9 joined by '-', such as ap-northeast-2")
    return value
