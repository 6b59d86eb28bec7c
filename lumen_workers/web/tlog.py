"""The log for anybody to read (S26): C2SP tlog-tiles as they lie on disk, and proofs as JSON. It never holds a key.

Everything it serves is public and signed, so nothing is asked of a reader; it opens the log's folder and the trust
file, neither the store nor a key.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lumen_workers.trust import canonical, merkle
from lumen_workers.trust.checkpoints import Checkpoint, parse_checkpoint
from lumen_workers.trust.notes import parse_note
from lumen_workers.trust.tlog.folder import LogFolder
from lumen_workers.trust.tlog.tiles import CHECKPOINT, parse_path
from lumen_workers.trust.tlog.tree import LogFault

IMMUTABLE: Final = "public, max-age=31536000, immutable"
HEAD: Final = "public, max-age=5"
"""What changes with the next entry may be kept so long, seconds."""

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_JSON: Final = "application/json"
_METHODS: Final = ["GET", "HEAD"]
_NUMBER_RE: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_RANGE_RE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Counts:
    """What the server tells of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        about = "Entries under the published checkpoint"
        self.entries = Gauge("tlog_entries_total", about, registry=self.registry)
        about = "1: an entry drawn at random was proven to be under the checkpoint just now"
        self.inclusion = Gauge("tlog_inclusion_ok", about, registry=self.registry)
        labels = ("kind", "status")
        self.requests = Counter("tlog_requests", "Requests answered", labels, registry=self.registry)
        buckets = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1)
        self.seconds = Histogram(
            "tlog_request_seconds", "How long they took", ("kind",), registry=self.registry, buckets=buckets
        )


def make_log_app(log: LogFolder, trust: Path) -> FastAPI:
    """The application over the log's folder and the trust file. Errors are ``{"error": "one line"}``."""
    app = FastAPI(title="lumen log", docs_url=None, redoc_url=None, openapi_url=None)
    counts = Counts()

    @app.middleware("http")
    async def counted(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
        began = time.perf_counter()
        response = await following(request)
        kind = _kind(request.url.path)
        counts.seconds.labels(kind).observe(time.perf_counter() - began)
        counts.requests.labels(kind, str(response.status_code)).inc()
        return response

    @app.api_route("/checkpoint", methods=_METHODS)
    def checkpoint(request: Request) -> Response:
        return _served(request, _head(log)[1], _TEXT, HEAD)

    @app.api_route("/tile/{rest:path}", methods=_METHODS)
    def tile(request: Request, rest: str) -> Response:
        found = parse_path(f"tile/{rest}")
        # What a crash has left beyond the checkpoint was promised to nobody.
        if found is None or found.end > _head(log)[0].size:
            raise HTTPException(404, "there is no such tile")
        return _served(request, log.read(found), _BYTES, IMMUTABLE)

    @app.api_route("/trust.json", methods=_METHODS)
    def trust_file(request: Request) -> Response:
        try:
            return _served(request, trust.read_bytes(), _JSON, HEAD)
        except FileNotFoundError:
            raise HTTPException(404, "this home has no trust file yet") from None

    @app.api_route("/v1/log/root", methods=_METHODS)
    def root(request: Request) -> Response:
        found, data = _head(log)
        return _json(request, {"size": found.size, "rootHash": found.root.hex(), "checkpoint": data.decode()}, HEAD)

    @app.api_route("/v1/log/entry/{index}", methods=_METHODS)
    def entry(request: Request, index: str, size: str | None = None) -> Response:
        found = _head(log)[0]
        number, asked = _number(index), found.size if size is None else _number(size)
        if asked > found.size or number >= asked:
            raise HTTPException(404, f"there is no entry {index} in a log of {min(asked, found.size)}")
        return _json(request, proof_of(log, number, asked, found.size), HEAD if size is None else IMMUTABLE)

    @app.api_route("/healthz", methods=_METHODS)
    def health() -> Response:
        _head(log)
        return PlainTextResponse("ok\n")

    @app.api_route("/metrics", methods=_METHODS)
    def metrics() -> Response:
        size = _head(log)[0].size
        counts.entries.set(size)
        counts.inclusion.set(float(_included(log)))
        return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LogFault, _fault)
    return app


def proof_of(log: LogFolder, index: int, size: int, present: int) -> dict[str, Any]:
    """An entry of the log, which has ``present`` entries, with its proof in the tree of the first ``size``."""
    tree = log.tree(present)
    path = [tree.subtree(low, high) for low, high in merkle.inclusion_path(index, size)]
    root = tree.subtree(0, size)
    data = log.entry(index, present)
    return {
        "index": index,
        "size": size,
        "leafHash": merkle.leaf_hash(data).hex(),
        "rootHash": root.hex(),
        "proof": [item.hex() for item in path],
        "entry": base64.b64encode(data).decode(),
    }


def _head(log: LogFolder) -> tuple[Checkpoint, bytes]:
    """The checkpoint, read once a request: what it promises, and its bytes."""
    data = log.checkpoint()
    if data is None:
        raise HTTPException(503, "the log has no checkpoint yet", {"Retry-After": "5"})
    return parse_checkpoint(parse_note(data).text), data


def _included(log: LogFolder) -> bool:
    found = _head(log)[0]
    if not found.size:
        return True
    index = random.randrange(found.size)  # noqa: S311  (a sample, no secret)
    try:
        told = proof_of(log, index, found.size, found.size)
    except (LogFault, OSError):
        return False
    proof = [bytes.fromhex(item) for item in told["proof"]]
    return merkle.verify_inclusion(bytes.fromhex(told["leafHash"]), index, found.size, proof, found.root)


def _number(text: str) -> int:
    if not _NUMBER_RE.fullmatch(text):
        raise HTTPException(400, f"{text[:40]!r} is no number")
    return int(text)


def _json(request: Request, value: dict[str, Any], keep: str) -> Response:
    return _served(request, canonical.dumps(value) + b"\n", _JSON, keep)


def _served(request: Request, data: bytes, kind: str, keep: str) -> Response:
    """The bytes, or as much of them as was asked for."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": keep, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
    known = [item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    wanted = _RANGE_RE.fullmatch(request.headers.get("range", ""))
    if wanted is None or wanted.group(0) == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return Response(data, media_type=kind, headers=headers)
    first, last = wanted.groups()
    start = int(first) if first else max(0, len(data) - int(last))
    end = min(int(last), len(data) - 1) if first and last else len(data) - 1
    if start >= len(data) or start > end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Response(data[start : end + 1], 206, media_type=kind, headers=headers)


def _kind(path: str) -> str:
    """A label of few values for a path."""
    if path == f"/{CHECKPOINT}":
        return CHECKPOINT
    for prefix, name in (("/tile/entries/", "bundle"), ("/tile/", "tile"), ("/v1/log/entry/", "entry")):
        if path.startswith(prefix):
            return name
    return path.rpartition("/")[2] if path in ("/v1/log/root", "/trust.json", "/healthz", "/metrics") else "other"


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _fault(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": " ".join(str(error).split())}, 404)
