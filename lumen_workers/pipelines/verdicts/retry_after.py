"""How long a peer asks us to wait (RFC 9110, 10.2.3): seconds, or a date."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lumen_workers.pipelines.verdicts.answers import answer_of

MAX_S = 3600.0
"""Nobody keeps us waiting for longer than an hour."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def retry_after_s(error: BaseException) -> float | None:
    """Seconds in [0, MAX_S]: the error's own ``retry_after_s``, else its answer's header; None: nothing usable.

    A date counts from the answer's own ``Date``, since this machine's clock may be off; without one, from our clock.
    """
    own = getattr(error, "retry_after_s", None)
    if isinstance(own, int | float) and not isinstance(own, bool):
        return _bounded(float(own))
    headers = _headers(error)
    return None if headers is None else parse(_one(headers, "Retry-After"), _one(headers, "Date"))


def parse(value: str | None, sent: str | None = None) -> float | None:
    """A header's seconds. ``sent``: the answer's ``Date``. None: garbage, negative or past."""
    value = (value or "").strip()
    if _SECONDS.fullmatch(value):
        return _bounded(float(value))
    until = _date(value)
    return None if until is None else _bounded((until - (_date(sent) or datetime.now(UTC))).total_seconds())


def _bounded(seconds: float) -> float | None:
    return min(seconds, MAX_S) if math.isfinite(seconds) and seconds >= 0 else None


def _date(value: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(value or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _headers(error: BaseException) -> Any:
    """The answer's headers: httpx and requests, botocore, urllib."""
    answer = answer_of(error)
    if isinstance(answer, Mapping):
        metadata = answer.get("ResponseMetadata")
        return metadata.get("HTTPHeaders") if isinstance(metadata, Mapping) else None
    return getattr(answer if answer is not None else error, "headers", None)


def _one(headers: Any, name: str) -> str | None:
    # botocore's are a plain dict in lower case; the others do not mind the case.
    value = headers.get(name)
    value = headers.get(name.lower()) if value is None else value
    return value if isinstance(value, str) else None
