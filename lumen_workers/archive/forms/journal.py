"""Lines of the journal in their files: an object a line, and the gateway's log as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lumen_workers.archive.forms.events import local_id
from lumen_workers.archive.forms.fields import Refused, instant, json_object, storable, text, text_or
from lumen_workers.domain import journal
from lumen_workers.domain.clock import iso
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.journal import JournalEntry

_OURS: Final = ("entry_id", "loop")
_KEPT: Final = ("ts", *_OURS)
_NEEDED: Final = {journal.COMMAND: ("cmd", "by")}
"""What a line of a kind cannot be without (S01)."""

_LOG_LINE: Final = re.compile(r"(\S+) \[([A-Z][A-Z-]{0,19})\](?: (.*))?")
_MOVE: Final = re.compile(r"(\w+|-) -> (\w+) (\{.*\})")


def journal_line(entry: JournalEntry) -> str:
    """One line, without its end."""
    return _log_line(entry) if entry.kind == journal.GATEWAY else _json(_row(entry))


def read_journal_line(kind: str, line: bytes, loop: str) -> JournalEntry:
    """The entry of a line, for ``loop``; ``seq`` is 0. Raises Refused.

    Without ``entry_id`` the id follows from the line's content, so the same line is the same entry.
    """
    return _read_log_line(line, loop) if kind == journal.GATEWAY else _read_row(kind, json_object(line), loop)


def _row(entry: JournalEntry) -> dict[str, Any]:
    """``ts``, the data, then ``entry_id, loop``."""
    data = {key: value for key, value in entry.data.items() if key not in _KEPT}
    return {"ts": iso(entry.ts), **data, "entry_id": entry.entry_id, "loop": entry.loop}


def _read_row(kind: str, row: Mapping[str, Any], loop: str) -> JournalEntry:
    for key in _NEEDED.get(kind, ()):
        text(row, key)
    return _entry(kind, instant(row, "ts"), {key: row[key] for key in row if key not in _KEPT}, row, loop)


def _log_line(entry: JournalEntry) -> str:
    """``<ts> [TAG] before -> after {the rest}``; a line that was read as plain text is written as that."""
    data, start = dict(entry.data), f"{iso(entry.ts)} [{entry.data['tag']}]"
    if data.keys() == {"tag", "text"} and entry.entry_id == _id_of(entry.kind, entry.ts, data, entry.loop):
        return f"{start} {data['text']}".rstrip(" ")
    before, after = data.get("from") or "-", data.get("to") or "-"
    rest = {key: value for key, value in data.items() if key not in ("tag", "from", "to", *_KEPT)}
    return f"{start} {before} -> {after} {_json({**rest, 'entry_id': entry.entry_id, 'loop': entry.loop})}"


def _read_log_line(line: bytes, loop: str) -> JournalEntry:
    try:
        match = _LOG_LINE.fullmatch(storable(line.decode("utf-8"), "line"))
    except UnicodeDecodeError:
        raise Refused("encoding") from None
    if match is None:
        raise Refused("line")
    ts, tag, said = instant({"ts": match[1]}, "ts"), match[2], (match[3] or "").strip()
    move = _MOVE.fullmatch(said)
    if move is None:
        return _entry(journal.GATEWAY, ts, {"tag": tag, "text": said}, {}, loop)
    row = json_object(move[3].encode())
    rest = {key: value for key, value in row.items() if key not in _KEPT}
    before = None if move[1] == "-" else move[1]
    after = None if move[2] == "-" else move[2]
    return _entry(journal.GATEWAY, ts, {"tag": tag, "from": before, "to": after, **rest}, row, loop)


def _entry(kind: str, ts: datetime, data: Mapping[str, Any], row: Mapping[str, Any], loop: str) -> JournalEntry:
    given = text_or(row, "entry_id", "")
    _check_storable(data)
    entry_id = local_id("jr", loop, row, given) if given else _id_of(kind, ts, data, loop)
    return JournalEntry(entry_id=entry_id, loop=loop, seq=0, kind=kind, ts=ts, data=data)


def _id_of(kind: str, ts: datetime, data: Mapping[str, Any], loop: str) -> str:
    """The id of a line that carries none."""
    return content_id("jr", loop, kind, iso(ts), _json(data))


def _check_storable(value: Any) -> None:
    """Raises Refused for text that the store cannot keep, however deep."""
    if isinstance(value, str):
        storable(value, "data")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            storable(key, "data")
            _check_storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_storable(inner)


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)
