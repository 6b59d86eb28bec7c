"""What shows a receiver that a body came from us."""

from __future__ import annotations

import hashlib
import hmac


def signature(body: bytes, secret: str) -> str:
    """HMAC-SHA256 over the body as it is sent, lower-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def dated_signature(body: bytes, secret: str, timestamp: str) -> str:
    """The same over ``<timestamp>.<body>``: an old message does not pass for one of now."""
    return signature(f"{timestamp}.".encode() + body, secret)
