"""The failure table: which class an exception belongs to. Names are qualified, so no SDK is imported for them."""

from __future__ import annotations

import errno
from typing import Final

from lumen_workers.domain.errors import LumenError

EXIT_CODES: Final = {
    "network": 3,
    "token_expired": 4,
    "external_api": 5,
    "dependency": 6,
    "build": 7,
    "environment": 8,
    "unknown": 9,
}
CLASSES: Final = tuple(EXIT_CODES)

OURS: Final = {"check_failed": "build"}
"""Our own codes that are no class's name: what was built and does not hold is not mended by trying again."""

BY_NAME: Final = {
    "builtins.ConnectionError": "network",
    "builtins.TimeoutError": "network",
    "socket.gaierror": "network",
    "ssl.SSLError": "network",
    "httpx.TransportError": "network",
    "redis.exceptions.ConnectionError": "network",
    "redis.exceptions.TimeoutError": "network",
    "kombu.exceptions.OperationalError": "network",
    "sqlalchemy.exc.OperationalError": "network",
    "builtins.ImportError": "dependency",
    "builtins.SyntaxError": "build",
    "builtins.TypeError": "build",
    "builtins.NameError": "build",
    "builtins.ValueError": "build",
    "builtins.LookupError": "build",
    "builtins.AttributeError": "build",
    "builtins.PermissionError": "environment",
    "builtins.OSError": "environment",
    "builtins.MemoryError": "environment",
}
"""The first class of an exception's method resolution order that stands here decides."""

_NETWORK_ERRNO: Final = frozenset(
    {errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPIPE}
)


def classify(error: BaseException) -> str:
    """One of CLASSES. Ours by their code; others by errno, then by name, then by their cause."""
    looked_at: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in looked_at:
        if (found := _one(link)) is not None:
            return found
        looked_at.add(id(link))  # two errors may name each other
        link = link.__cause__ or link.__context__
    return "unknown"


def _one(error: BaseException) -> str | None:
    if isinstance(error, LumenError):
        codes = (getattr(cls, "code", None) for cls in type(error).__mro__)
        return next((OURS.get(code, code) for code in codes if code in OURS or code in CLASSES), None)
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNO:
        return "network"
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__)
    return next((BY_NAME[name] for name in names if name in BY_NAME), None)
