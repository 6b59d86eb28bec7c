"""One HTTP POST that knows whether its peer may have taken it."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpcore
import httpx

from lumen_workers.adapters.deadline import Deadline
from lumen_workers.domain.errors import InDoubt
from lumen_workers.domain.recipients import WebhookTarget

_LONGEST_WAIT_S = 86_400.0
_ASKS_TO_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Answered(httpx.HTTPStatusError):
    """The peer answered that it did not take it. Its request and response carry no path, no secret and no body.

    ``retry_after_s``: how long a 429 or 503 asks us to wait.
    """

    retry_after_s: float | None

    def __init__(self, target: WebhookTarget, status: int, headers: Mapping[str, str]) -> None:
        kept = {name: value for name in ("Date", "Retry-After") if (value := headers.get(name, "")) and value.isascii()}
        request = httpx.Request("POST", target.origin)
        response = httpx.Response(status, headers=kept, request=request)
        phrase = f" {response.reason_phrase}" if response.reason_phrase else ""
        super().__init__(f"{target.origin} answered {status}{phrase}", request=request, response=response)
        self.retry_after_s = _seconds(kept) if status in _ASKS_TO_WAIT else None


class _Progress:
    """How far the request has got, from httpcore's trace."""

    def __init__(self) -> None:
        self.left = False
        """Whether the peer may have all of it. Not before the last byte is written: an incomplete body is none."""
        self.socket: socket.socket | None = None

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.socket = info["return_value"].get_extra_info("socket")
        elif event == "http11.send_request_body.started":
            self.left = True
        elif event == "http11.send_request_body.failed":
            self.left = not isinstance(info["exception"], httpcore.WriteError | httpcore.WriteTimeout)


def post(
    target: WebhookTarget,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    limit_s: float,
    keep: int = 0,
) -> bytes:
    """Returns on a 2xx answer, with its body if that has at most ``keep`` bytes, else with nothing.

    ``timeout_s`` is for each step, ``limit_s`` for the whole. Raises InDoubt where the whole request left and no answer
    came (or a gateway gave up on one, 504), Answered for any other answer, httpx's errors where it did not leave.
    """
    for name in ("httpx", "httpcore"):
        # httpx logs the URL at INFO, httpcore headers at DEBUG.
        logging.getLogger(name).setLevel(logging.WARNING)
    progress = _Progress()
    answer: httpx.Response | None = None
    said = b""
    deadline = Deadline(limit_s, lambda: progress.socket)
    try:
        # A connection of its own for each: one that had waited might be closed by now, and its reset would be a doubt.
        # Proxies and passwords of the environment are not for peers that the configuration names.
        with (
            httpx.Client(verify=ssl.create_default_context(), timeout=timeout_s, trust_env=False) as client,
            deadline,
            client.stream(
                "POST", target.url, content=body, headers=dict(headers), extensions={"trace": progress}
            ) as response,
        ):
            answer = response
            said = _body(response, keep)
    except Exception as error:
        if answer is None:
            if not progress.left:
                raise
            why = f"no answer within {deadline.seconds:g} s" if deadline.passed else _why(error)
            raise InDoubt(
                f"{target.origin} may have taken it: the request left, then: {why}; look there before it is sent again"
            ) from error
    assert answer is not None
    if answer.status_code == HTTPStatus.GATEWAY_TIMEOUT:
        raise InDoubt(
            f"{target.origin} answered 504: what is behind it may have taken it; look there before it is sent again"
        )
    if not answer.is_success:
        raise Answered(target, answer.status_code, answer.headers)
    return said


def _body(response: httpx.Response, most: int) -> bytes:
    """The body, if it is not larger than that."""
    data = b""
    if not most:
        return data
    for piece in response.iter_bytes():
        data += piece
        if len(data) > most:
            return b""
    return data


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds, at most a day; None for what is neither of its forms.

    A date counts from the answer's own, since this machine's clock may be off.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return min(float(text), _LONGEST_WAIT_S)
    at = _date(text)
    if at is None:
        return None
    said = _date(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((at - said).total_seconds(), 0.0), _LONGEST_WAIT_S)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
