"""Who may ask, and how much may be sent."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.recipients import is_loopback

MOST_BYTES: Final = 4 * 1024 * 1024
"""Of a request's body."""

OPEN: Final = ("/healthz",)
"""Paths that ask for no token."""


def check_bind(host: str, token: str | None) -> None:
    """Raises ConfigError for an address that other machines reach, without a token."""
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines: set LUMEN_WEB_TOKEN or LUMEN_WEB_TOKEN_FILE, or bind 127.0.0.1"
        )


class Guard:
    """ASGI: a token (``Authorization: Bearer``) if there is one, and a body of at most ``most_bytes``.

    Without a token only this machine may ask, by a name of this machine: a web page that somebody here looks at must
    not reach us by a name of its own that leads to the loopback address.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, most_bytes: int = MOST_BYTES) -> None:
        self._app = app
        self._token = token
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers, scope["path"])
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._most):
            await _answer(413, self._too_large())(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise HTTPException(413, self._too_large())
            return message

        await self._app(scope, counted, send)

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        if self._token is None:
            host = headers.get("host", "")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            return None if is_loopback(name) else _answer(403, f"ask for this machine by 127.0.0.1, not by {name!r}")
        given = headers.get("authorization", "").encode("utf-8", "replace")
        if path in OPEN or hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return None
        return _answer(401, "give the token of `lumen web` as a bearer token", {"WWW-Authenticate": "Bearer"})

    def _too_large(self) -> str:
        return f"the body may have {self._most} bytes; send less at once"


def _answer(status: int, said: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": said}, status, headers={**(headers or {}), "Connection": "close"})
