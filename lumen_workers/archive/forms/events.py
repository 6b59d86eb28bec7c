"""Rule events as lines of ``rules_history.jsonl``: the SPEC keys, then ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lumen_workers.archive.forms.fields import Refused, instant, number, number_or_none, rule, text, text_or
from lumen_workers.domain.clock import iso
from lumen_workers.domain.ids import content_id
from lumen_workers.domain.records import RuleEvent


def event_row(event: RuleEvent) -> dict[str, Any]:
    """``ts, actor, rule, old, new, note``, then ``event_id, loop, applied_at, automatic, undoes``.

    ``failed_at`` and ``why`` only where the loop did not take the change, ``repair`` only where one was taken back.
    """
    row: dict[str, Any] = {
        "ts": iso(event.ts),
        "actor": event.actor,
        "rule": event.rule,
        "old": event.old,
        "new": event.new,
        "note": event.note,
        "event_id": event.event_id,
        "loop": event.loop,
        "applied_at": iso(event.applied_at) if event.applied_at else None,
        "automatic": event.automatic,
        "undoes": event.undoes,
    }
    if event.failed_at is not None:
        row |= {"failed_at": iso(event.failed_at), "why": event.why or ""}
    return row | {"repair": True} if event.repair else row


def read_event(row: Mapping[str, Any], loop: str, current: Mapping[str, float]) -> RuleEvent:
    """The event of a line, for ``loop``; ``seq`` is 0. Raises Refused.

    Without ``event_id`` the id follows from the SPEC keys, so the same line is the same event. Without ``applied_at``
    the change counts as applied at its ``ts``; null there says that it never was. Without ``old`` (automatic events
    of old files) it is ``current[rule]``, the value that the rule's event before it set.
    """
    ts, actor, name, note = instant(row, "ts"), text(row, "actor"), rule(row), text_or(row, "note", "")
    old, new = number_or_none(row, "old"), number(row, "new")
    given = text_or(row, "event_id", "")
    event_id = (
        local_id("ev", loop, row, given) if given else content_id("ev", loop, iso(ts), actor, name, old, new, note)
    )
    if old is None:
        if name not in current:
            raise Refused("missing old")
        old = current[name]
    automatic = row.get("automatic", False)
    if not isinstance(automatic, bool):
        raise Refused("type automatic")
    undoes = text_or(row, "undoes", "")
    repair = row.get("repair", False)
    if not isinstance(repair, bool) or (repair and not undoes):
        raise Refused("type repair")
    applied_at = _applied_at(row, ts)
    failed_at = instant(row, "failed_at") if row.get("failed_at") is not None else None
    if failed_at is not None and applied_at is not None:
        raise Refused("failed_at")
    return RuleEvent(
        event_id=event_id,
        loop=loop,
        seq=0,
        ts=ts,
        actor=actor,
        rule=name,
        old=old,
        new=new,
        note=note,
        automatic=automatic,
        undoes=local_id("ev", loop, row, undoes) if undoes else None,
        applied_at=applied_at,
        failed_at=failed_at,
        why=None if failed_at is None else text_or(row, "why", ""),
        repair=repair,
    )


def local_id(prefix: str, loop: str, row: Mapping[str, Any], given: str) -> str:
    """``given`` in the loop that the row was exported from; in another loop an id of its own, always the same."""
    home = text_or(row, "loop", loop)
    return given if home == loop else content_id(prefix, loop, given)


def _applied_at(row: Mapping[str, Any], ts: datetime) -> datetime | None:
    if "applied_at" not in row:
        return None if row.get("failed_at") is not None else ts
    return None if row["applied_at"] is None else instant(row, "applied_at")
