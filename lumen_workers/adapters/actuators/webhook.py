"""A webhook of the loop: it is posted the rules, and its answer acknowledges them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lumen_workers.adapters.actuators.document import MOST_BYTES, compact, read_ack
from lumen_workers.adapters.signing import dated_signature
from lumen_workers.domain.clock import iso
from lumen_workers.domain.errors import InDoubt, NetworkError
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.recipients import WebhookTarget
from lumen_workers.domain.records import RuleEvent


class WebhookActuator:
    """``webhook:URL``. Redirects and proxies are not followed.

    A 2xx answer whose JSON names the event (``event_id``, and ``applied_at`` if the loop wants to say when) is the
    acknowledgement. Another 2xx says that the loop took the message: it acknowledges later, at the web interface.
    """

    name: str = "webhook"

    def __init__(self, target: WebhookTarget, *, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack | None:
        """Post it. The same state makes the same body.

        Raises NetworkError where no answer came (it may be told again, so that is no doubt), Answered for an answer
        that is not 2xx, httpx's errors where the request did not leave.
        """
        from lumen_workers.adapters.post import post  # httpx takes a while to import

        body, now = compact(loop, rules, event), iso(datetime.now(UTC))
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "lumen-workers",
            "Idempotency-Key": event.event_id,
            "X-Lumen-Timestamp": now,
        }
        if self._target.secret is not None:
            headers["X-Lumen-Signature"] = dated_signature(body, self._target.secret, now)
        if self._target.token is not None:
            headers["Authorization"] = f"Bearer {self._target.token}"
        limits = {"timeout_s": self._timeout_s, "limit_s": 2 * self._timeout_s}
        try:
            answer = post(self._target, body, headers, keep=MOST_BYTES, **limits)
        except InDoubt as doubt:
            raise NetworkError(f"{self._target.origin} has not acknowledged it: {doubt.__cause__ or doubt}") from doubt
        ack = read_ack(answer)
        return ack if ack is not None and ack.event_id == event.event_id else None

    def acknowledged(self, loop: str, event: RuleEvent) -> None:
        """Its answer was all; what came at the web interface was noted when it did."""
