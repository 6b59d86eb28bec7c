"""``/v1/samples``: a loop sends its samples."""

from __future__ import annotations

from typing import Final, NamedTuple

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lumen_workers.adapters.sources import PUSH
from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.signals import Block, Reading
from lumen_workers.loop.metrics_csv import Reason
from lumen_workers.web.desk import JSON, Desk, kind_of
from lumen_workers.web.rows import of_csv, of_json

AHEAD_S: Final = 60
"""So far may the clock that stamped a sample be ahead of the store's, as for an import."""

CSV: Final = "text/csv"


class Refused(NamedTuple):
    """A row that is not a sample, counted from 1 (a header does not count), and why."""

    row: int
    why: str


def routes(desk: Desk) -> APIRouter:
    """The router."""
    router = APIRouter(prefix="/v1")

    @router.post("/samples")
    async def push(request: Request, loop: str | None = None) -> Response:
        kind = kind_of(request)
        if kind not in (JSON, CSV):
            raise HTTPException(415, f"Content-Type must be {JSON} or {CSV}")
        return await run_in_threadpool(_take, desk, kind, loop, await request.body())

    return router


def _take(desk: Desk, kind: str, loop: str | None, body: bytes) -> Response:
    """Keep what is a sample; the rest is answered with its reason. Sent again, it changes nothing."""
    name, rows = of_json(body, loop) if kind == JSON else of_csv(body, loop)
    spec = desk.loop(name)
    if spec.source != PUSH:
        raise HTTPException(409, f"loop {name!r} is sampled by its source {spec.source!r}; only {PUSH} takes samples")
    limit_us = to_us(desk.store.now()) + AHEAD_S * US
    good: dict[int, Reading] = {}
    refused: list[Refused] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, Reason):
            refused.append(Refused(number, row.value))
        elif row[0] > limit_us:
            refused.append(Refused(number, Reason.FUTURE.value))
        else:
            good.setdefault(*row)
    accepted = desk.store.samples.add(name, Block.of(sorted(good.items())))
    return JSONResponse(
        {
            "accepted": accepted,
            "duplicate": len(rows) - len(refused) - accepted,
            "refused": [row._asdict() for row in refused],
        }
    )
