"""The log for anybody to read (S26): C2SP tlog-tiles, and proofs as JSON. It never holds a key.

Everything it serves is public and signed, so nothing is asked of a reader; it opens the log's folder and the trust
file, neither the store nor a key. Another process may go on writing: each request sees one checkpoint.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from lumen_workers.trust import canonical
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import parse_path
from lumen_workers.trust.tlog.tree import LogFault
from lumen_workers.web.cached import BRIEF, IMMUTABLE, answer, refusal
from lumen_workers.web.published import Promise, Proven, Published
from lumen_workers.web.tlog_counts import Counted, Counts

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_JSON: Final = "application/json"
_METHODS: Final = ["GET", "HEAD"]
_NUMBER_RE: Final = re.compile(r"0|[1-9][0-9]{0,15}")


def make_log_app(log: LogFolder, trust: Path) -> ASGIApp:
    """The application over the log's folder and the trust file. Errors are ``{"error": "one line"}``."""
    published = Published(log)
    counts = Counts(published.look)
    app = FastAPI(title="lumen log", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.api_route("/checkpoint", methods=_METHODS)
    def checkpoint(request: Request) -> Response:
        return answer(request, _promise(published).data, _TEXT, BRIEF)

    @app.api_route("/tile/{rest:path}", methods=_METHODS)
    def tile(request: Request, rest: str) -> Response:
        found = parse_path(f"tile/{rest}")
        # What a crash has left beyond the checkpoint was promised to nobody.
        data = None if found is None else _promise(published).tile(found)
        if data is None:
            raise HTTPException(404, "there is no such tile")
        return answer(request, data, _BYTES, IMMUTABLE)

    @app.api_route("/trust.json", methods=_METHODS)
    def trust_file(request: Request) -> Response:
        try:
            return answer(request, trust.read_bytes(), _JSON, BRIEF)
        except FileNotFoundError:
            raise HTTPException(404, "this home has no trust file yet") from None

    @app.api_route("/v1/log/root", methods=_METHODS)
    def root(request: Request) -> Response:
        promise = _promise(published)
        found = promise.checkpoint
        told = {"size": found.size, "rootHash": found.root.hex(), "checkpoint": promise.data.decode()}
        return _json(request, told, BRIEF)

    @app.api_route("/v1/log/entry/{index}", methods=_METHODS)
    def entry(request: Request, index: str, size: str | None = None) -> Response:
        promise = _promise(published)
        number, asked = _number(index), promise.size if size is None else _number(size)
        if asked > promise.size or number >= asked:
            raise HTTPException(404, f"there is no entry {number} in a log of {min(asked, promise.size)}")
        return _json(request, _told(promise.prove(number, asked)), BRIEF if size is None else IMMUTABLE)

    @app.api_route("/healthz", methods=_METHODS)
    def health() -> Response:
        _promise(published)
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    @app.api_route("/metrics", methods=_METHODS)
    def metrics() -> Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        return Response(generate_latest(counts.registry), headers=headers)

    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LogFault, _fault)
    app.add_exception_handler(OSError, _unread)
    return Counted(app, counts)


def _promise(published: Published) -> Promise:
    try:
        promise = published.look()
    except ValueError as error:
        raise HTTPException(500, f"the checkpoint is damaged: {error}") from None
    if promise is None:
        raise HTTPException(503, "the log has no checkpoint yet", {"Retry-After": "5"})
    return promise


def _told(proven: Proven) -> dict[str, Any]:
    return {
        "index": proven.index,
        "size": proven.size,
        "leafHash": proven.leaf.hex(),
        "rootHash": proven.root.hex(),
        "proof": [item.hex() for item in proven.hashes],
        "entry": base64.b64encode(proven.entry).decode(),
    }


def _number(text: str) -> int:
    if not _NUMBER_RE.fullmatch(text):
        raise HTTPException(400, f"{text[:40]!r} is no number")
    return int(text)


def _json(request: Request, value: dict[str, Any], keep: str) -> Response:
    return answer(request, canonical.dumps(value) + b"\n", _JSON, keep)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> Response:
    """A file that has gone is told as any server of files tells it; a proof that does not hold is our failure."""
    return refusal(404 if request.url.path.startswith("/tile/") else 500, str(error))


async def _unread(_: Request, error: Exception) -> Response:
    return refusal(500, f"the log's files cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")
