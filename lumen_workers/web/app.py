"""The HTTP interface, put together. A route is a router over the desk; another one is one more line here."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from lumen_workers.domain.errors import LumenError, NetworkError, UsageError
from lumen_workers.web import rules, samples
from lumen_workers.web.desk import Desk
from lumen_workers.web.guard import MOST_BYTES, Guard

RETRY_S = 2
"""When a client that found the store away may come again."""


def make_app(desk: Desk, *, token: str | None = None, most_bytes: int = MOST_BYTES) -> ASGIApp:
    """The application. Errors are ``{"error": "one line"}``."""
    app = FastAPI(title="lumen", docs_url=None, redoc_url=None, openapi_url=None)
    for part in (rules, samples):
        app.include_router(part.routes(desk))

    @app.get("/healthz")
    async def health() -> Response:
        await run_in_threadpool(desk.store.now)
        return PlainTextResponse("ok\n")

    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LumenError, _ours)
    return Guard(app, token=token, most_bytes=most_bytes)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _ours(_: Request, error: Exception) -> Response:
    said = {"error": " ".join(str(error).split())}
    if isinstance(error, NetworkError):
        return JSONResponse(said, 503, headers={"Retry-After": str(RETRY_S)})
    return JSONResponse(said, 400 if isinstance(error, UsageError) else 500)
