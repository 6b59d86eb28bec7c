"""``/v1/rules``: a loop asks for its rules, and says that it has them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lumen_workers.adapters.actuators.document import compact
from lumen_workers.domain.clock import iso, parse_ts
from lumen_workers.domain.errors import NotFound, UsageError
from lumen_workers.domain.records import LoopSpec, RuleEvent
from lumen_workers.web.desk import JSON, Desk, check_keys, json_object

POLL: Final = "poll"
_NEEDED: Final = frozenset({"event_id"})
_ALLOWED: Final = frozenset({"event_id", "applied_at"})


def routes(desk: Desk) -> APIRouter:
    """The router."""
    router = APIRouter(prefix="/v1/rules")

    @router.api_route("/{loop}", methods=["GET", "HEAD"])
    async def ask(loop: str, request: Request) -> Response:
        return await run_in_threadpool(_ask, desk, loop, request.headers.get("if-none-match"))

    @router.post("/{loop}/ack")
    async def acknowledge(loop: str, request: Request) -> Response:
        return await run_in_threadpool(_acknowledge, desk, loop, await json_object(request))

    return router


def _ask(desk: Desk, loop: str, known: str | None) -> Response:
    """All rules under the newest change's id. An If-None-Match that names them says that the loop has them."""
    spec = desk.loop(loop)
    body, newest = _state(desk, spec)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    named = [part.strip().removeprefix("W/") for part in (known or "").split(",")]
    if tag in named and newest is not None and spec.actuator == POLL and _waits(desk, newest):
        desk.rules.acknowledge(newest.event_id, way=POLL)
    if tag in named or "*" in named:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


def _state(desk: Desk, spec: LoopSpec) -> tuple[bytes, RuleEvent | None]:
    """The document, the same bytes for the same state, and the newest change; None: there was none yet."""
    values = desk.rules.get(spec.name)
    rules = {name: value.value for name, value in values.items()}
    ids = {value.event_id: value.since for value in values.values() if value.event_id and value.since}
    if not ids:
        return compact(spec.name, rules, None), None
    last = max(ids.values())
    # Two changes may have been recorded in one microsecond.
    newest = max((desk.store.rules.get(id_) for id_, since in ids.items() if since == last), key=lambda one: one.seq)
    return compact(spec.name, rules, newest), newest


def _waits(desk: Desk, event: RuleEvent) -> bool:
    """Whether an acknowledgement of ``event`` would be news."""
    return any(pending.seq <= event.seq for pending in desk.store.rules.unapplied(event.loop))


def _acknowledge(desk: Desk, loop: str, found: dict[str, Any]) -> Response:
    """The loop has an event, and so all before it: 200, again and again; 409 for one that has failed."""
    spec = desk.loop(loop)
    check_keys(found, _NEEDED, _ALLOWED)
    event = _event(desk, loop, found["event_id"])
    count = desk.rules.acknowledge(
        event.event_id, _instant(found.get("applied_at")), way=spec.actuator.partition(":")[0]
    )
    event = desk.store.rules.get(event.event_id)
    if event.failed_at is not None:
        return JSONResponse({"error": f"event {event.event_id} has failed and is taken back: {event.why}"}, 409)
    return JSONResponse(
        {
            "event_id": event.event_id,
            "state": event.state.value,
            "applied_at": iso(event.applied_at) if event.applied_at else None,
            "applied": count,
        }
    )


def _event(desk: Desk, loop: str, event_id: object) -> RuleEvent:
    if not isinstance(event_id, str):
        raise HTTPException(400, "event_id: must be a text")
    try:
        event = desk.store.rules.get(event_id)
    except NotFound:
        event = None
    if event is None or event.loop != loop:
        raise HTTPException(404, f"loop {loop!r} has no event {event_id[:80]!r}")
    return event


def _instant(said: object) -> datetime | None:
    if said is None:
        return None
    try:
        return parse_ts(said if isinstance(said, str) else repr(said), "applied_at")
    except (UsageError, OverflowError) as error:
        raise HTTPException(400, str(error)) from None
