"""The broker's URL, as people write it and as Celery wants it."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from lumen_workers.domain.errors import ConfigError

SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix")


def celery_url(url: str) -> str:
    """``url`` for Celery, which names a unix socket ``redis+socket``. Raises ConfigError when it is not Redis's."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"LUMEN_BROKER_URL: scheme {parts.scheme or url!r} is not one of {', '.join(SCHEMES)}")
    if parts.scheme == "unix":
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    return url
