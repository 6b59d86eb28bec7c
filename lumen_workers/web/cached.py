"""Answers that caches may keep: strong ETags, conditional and partial requests (RFC 9110, 13 and 14)."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""For what is never anything else."""

BRIEF: Final = "public, max-age=5"
"""For what the next entry changes: 5 seconds."""

_RANGE_RE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


def answer(request: Request, data: bytes, kind: str, keep: str) -> Response:
    """``data`` of media type ``kind``, or as much of it as was asked for; ``keep`` is its Cache-Control."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": keep,
        "Accept-Ranges": "bytes",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }
    known = [item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = kind
    bounds = _bounds(request, tag, len(data))
    if bounds is None:
        return Response(data, headers=headers)
    start, end = bounds
    if start >= end:
        return refusal(416, "the range begins behind the end", {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, headers=headers)


def refusal(status: int, said: str, headers: dict[str, str] | None = None) -> Response:
    """``{"error": "one line"}``, which nobody keeps: what is not there now may be there with the next entry."""
    said = " ".join(said.split())
    return JSONResponse({"error": said}, status, headers={**(headers or {}), "Cache-Control": "no-store"})


def _bounds(request: Request, tag: str, length: int) -> tuple[int, int] | None:
    """The one range [start, end) that was asked for; None: the whole. Empty: one that is not there.

    Several ranges, other units and what is malformed are answered with the whole.
    """
    wanted = _RANGE_RE.fullmatch(request.headers.get("range", ""))
    if request.method != "GET" or wanted is None or request.headers.get("if-range", tag) != tag:
        return None
    first, last = wanted.groups()
    if not first:
        return (max(0, length - int(last)), length) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, length) if last else length
