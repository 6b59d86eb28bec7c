"""A witness over HTTP: ``POST /add-checkpoint``. It needs no home, no store and no broker."""

from __future__ import annotations

import time
from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from lumen_workers.trust.tlog.witness import Witness

MOST_BYTES: Final = 128 * 1024


def make_witness_app(witness: Witness) -> FastAPI:
    """The application. Anybody may ask: what is not signed by a known log is refused."""
    app = FastAPI(title="lumen witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/add-checkpoint")
    async def add(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return PlainTextResponse("the request is too large\n", 413)
        answer = await run_in_threadpool(witness.add_checkpoint, body, int(time.time()))
        return Response(answer.body, answer.status, media_type=answer.kind)

    @app.get("/healthz")
    async def health() -> Response:
        return PlainTextResponse("ok\n")

    return app
