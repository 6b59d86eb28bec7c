"""Webhooks: JSON that is signed, or Slack's form."""

from __future__ import annotations

from collections.abc import Mapping

from lumen_workers.adapters.channels.text import dump, payload
from lumen_workers.adapters.signing import signature
from lumen_workers.domain.errors import NotFound
from lumen_workers.domain.notices import Telling
from lumen_workers.domain.recipients import WebhookTarget

TIMEOUT_S = 10.0
"""For each step: connecting, writing, waiting for a piece of the answer."""

LIMIT_S = 30.0
"""For all of it."""


class WebhookChannel:
    """Posts to the recipient's URL; a 2xx answer means that it was taken. Redirects and proxies are not followed."""

    name: str = "webhook"
    repeatable: bool = False

    def __init__(
        self, targets: Mapping[str, WebhookTarget], *, timeout_s: float = TIMEOUT_S, limit_s: float = LIMIT_S
    ) -> None:
        self._targets = targets
        self._timeout_s = timeout_s
        self._limit_s = limit_s

    def tell(self, recipient: str, telling: Telling) -> None:
        """Post it. The same telling makes the same bytes.

        Raises NotFound for an unknown recipient, InDoubt where the whole request left and no answer came (or a gateway
        gave up on one, 504), Answered for any other answer, httpx's errors where the request did not leave.
        """
        from lumen_workers.adapters.post import post  # httpx takes a while to import

        target = self._targets.get(recipient)
        if target is None:
            raise NotFound(f"there is no webhook recipient {recipient!r}; notify.yaml names them")
        body = (slack_text(telling) if target.slack else lumen_body(telling)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "lumen-workers"}
        if not target.slack:
            headers |= _headers(target, telling, body)
        post(target, body, headers, timeout_s=self._timeout_s, limit_s=self._limit_s)


def lumen_body(telling: Telling) -> str:
    """``{title, payload}``."""
    return dump({"title": telling.title, "payload": payload(telling)})


def slack_text(telling: Telling) -> str:
    """``{text}`` in Slack's mark-up, in which only ``&``, ``<`` and ``>`` are special."""
    lines = [f"*{telling.title}*", telling.text, f"_{telling.severity} · {telling.message_id}_"]
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return dump({"text": text})


def _headers(target: WebhookTarget, telling: Telling, body: bytes) -> dict[str, str]:
    headers = {"Idempotency-Key": telling.message_id, "X-Lumen-Message-Id": telling.message_id}
    if telling.trace_id is not None:
        headers["X-Lumen-Trace-Id"] = telling.trace_id
    if target.secret is not None:
        headers["X-Lumen-Signature"] = signature(body, target.secret)
    if target.token is not None:
        headers["Authorization"] = f"Bearer {target.token}"
    return headers
