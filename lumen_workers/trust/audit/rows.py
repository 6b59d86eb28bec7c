"""A line of the audit log: what its hash covers, and its form in ``audit.log.jsonl`` (S21)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lumen_workers.domain.clock import iso
from lumen_workers.domain.records import field_names
from lumen_workers.domain.regions import AuditEntry
from lumen_workers.trust import canonical

GENESIS: Final = "0" * 64
"""What the first line of a chain stands on."""

AuditRow = Mapping[str, Any]
"""A line as it was found, with the fields of ``AuditEntry`` by name; ``ts`` is the text of the instant. It may be of
any kind: what a column or a file holds that no line of ours can hold stands there as it is."""

FIELDS: Final = field_names(AuditEntry)

_TEXTS: Final = ("chain", "ts", "actor", "pipeline", "region", "event", "subject", "prev", "hash")
_DIGEST_RE: Final = re.compile(r"[0-9a-f]{64}")
_NAMES: Final = {"ts": "ts_utc"}
_FILE_ORDER: Final = (
    *("ts", "actor", "pipeline", "region", "trace_id", "event", "detail"),
    *("chain", "seq", "subject", "prev", "hash"),
)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256, hex, of the canonical JSON of everything in ``entry`` but its hash."""
    return digest({name: getattr(entry, name) for name in FIELDS} | {"ts": iso(entry.ts)})


def digest(row: AuditRow, seq: int | None = None) -> str:
    """The same for a row; with ``seq``, as if it stood there. Empty where the row has no canonical JSON."""
    covered = {name: value for name, value in row.items() if name != "hash"}
    if seq is not None:
        covered["seq"] = seq
    try:
        return hashlib.sha256(canonical.dumps(covered)).hexdigest()
    except ValueError:
        return ""


def fault_of_form(row: AuditRow) -> str | None:
    """Why ``row`` can be no line, whatever its hash; None: it can be one."""
    if row.keys() != set(FIELDS):
        return "a field is missing or unknown"
    if type(row["seq"]) is not int or row["seq"] < 1:
        return "its number is no whole number from 1"
    if wrong := [name for name in _TEXTS if not isinstance(row[name], str)]:
        return f"{wrong[0]} is no text"
    if row["trace_id"] is not None and not isinstance(row["trace_id"], str):
        return "trace_id is no text"
    if not isinstance(row["detail"], dict):
        return "detail is no object"
    if not _DIGEST_RE.fullmatch(row["prev"]) or not _DIGEST_RE.fullmatch(row["hash"]):
        return "a hash is no SHA-256"
    try:
        well = iso(datetime.fromisoformat(row["ts"])) == row["ts"]
    except ValueError:
        well = False
    return None if well else "ts is no instant"


def dump_line(row: AuditRow) -> bytes:
    """A row as a line of ``audit.log.jsonl``: S21's fields first, then ours. What JSON has no form for is shown."""
    data = {_NAMES.get(name, name): row[name] for name in _FILE_ORDER}
    try:
        return _compact(data) + b"\n"
    except ValueError:
        return _compact({name: value if _is_json(value) else repr(value) for name, value in data.items()}) + b"\n"


def parse_line(line: bytes) -> dict[str, Any]:
    """The row of a line of the file. Raises ValueError where it is no JSON object; nothing else is looked at."""
    value = canonical.loads(line)
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    if "ts" in value:
        raise ValueError("it has a field of another form")
    if "ts_utc" in value:
        value["ts"] = value.pop("ts_utc")
    return value


def _compact(data: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except TypeError as error:
        raise ValueError(str(error)) from None


def _is_json(value: Any) -> bool:
    try:
        canonical.dumps(value)
    except ValueError:
        return False
    return True
