"""A witness over HTTP: ``POST /add-checkpoint``. It needs no home, no store and no broker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from lumen_workers.domain.errors import LumenError
from lumen_workers.trust.tlog.witness import Witness

log = logging.getLogger(__name__)

MOST_BYTES: Final = 128 * 1024
BODY_S: Final = 10.0
"""So long may a request's body take to come."""


def make_witness_app(witness: Witness, *, now: Callable[[], float] = time.time, body_s: float = BODY_S) -> FastAPI:
    """The application. Anybody may ask: what is not signed by a known log is refused, and changes nothing."""
    app = FastAPI(title="lumen witness", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.post("/add-checkpoint")
    async def add(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_s):
                body = await _body(request)
        except TimeoutError:
            return _text(408, "the request did not come to its end\n")
        except ClientDisconnect:
            return _text(400, "nobody is there any more\n")
        if len(body) > MOST_BYTES:
            return _text(413, "the request is too large\n")
        try:
            answer = await run_in_threadpool(witness.add_checkpoint, body, int(now()))
        except (LumenError, OSError) as error:
            # Its own trouble: the asker learns that it is, the operator what it is.
            log.error("nothing was cosigned: %s", error)
            return _text(503, "this witness cannot keep its memory\n")
        return Response(answer.body, answer.status, headers={"Content-Type": answer.kind})

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def health() -> Response:
        return PlainTextResponse("ok\n")

    return app


async def _body(request: Request) -> bytes:
    """The body; of one that is too large, a little more than it may have."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            break
    return body


def _text(status: int, said: str) -> Response:
    return PlainTextResponse(said, status, headers={"Connection": "close"})
