"""Where foreign errors keep the answer that they are about."""

from __future__ import annotations

from typing import Any


def answer_of(error: BaseException) -> Any:
    """The response object of httpx and requests, the parsed one (a mapping) of botocore; None: there is none."""
    answer = getattr(error, "response", None)
    return getattr(error, "last_response", None) if answer is None else answer
