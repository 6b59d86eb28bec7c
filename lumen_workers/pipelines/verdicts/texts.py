"""Words in messages: the last resort, for errors that carry nothing better."""

from __future__ import annotations

from typing import Final

TEXTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "environment",
        (
            "no space left on device",
            "disk quota exceeded",
            "read-only file system",
            "permission denied",
            "operation not permitted",
            "too many open files",
            "cannot allocate memory",
            "fatal:  database",
        ),
    ),
    (
        "dependency",
        (
            "no module named",
            "command not found",
            "cannot open shared object file",
            "error while loading shared libraries",
            "invalid elf header",
        ),
    ),
    (
        "token_expired",
        (
            "token has expired",
            "token is expired",
            "token expired",
            "expired token",
            "invalid_grant",
            "invalid token",
            "invalid credentials",
            "invalid api key",
            "bad credentials",
            "password authentication failed",
            "authentication failed",
            "authentication required",
            "no password supplied",
            "pg_hba.conf",
            "permission to log in",
            "fatal:  role",
            "unauthorized",
            "access denied",
        ),
    ),
    (
        "external_api",
        (
            "internal server error",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
            "gateway time-out",
            "too many requests",
            "rate limit",
            "too many clients",
            "too many connections",
            "remaining connection slots",
            "the database system is",
        ),
    ),
    (
        "network",
        (
            "timed out",
            "timeout expired",
            "connection refused",
            "connection reset",
            "connection aborted",
            "broken pipe",
            "name or service not known",
            "temporary failure in name resolution",
            "no address associated with hostname",
            "could not translate host name",
            "failed to resolve host",
            "network is unreachable",
            "no route to host",
            "handshake fail",
            "certificate verify failed",
            "closed the connection unexpectedly",
            "connection closed",
            "server disconnected",
            "is the server running",
        ),
    ),
    ("build", ("unknown url type", "invalid data stream")),
    # A server's socket that is not there says so too.
    ("environment", ("no such file or directory",)),
)
"""Class → phrases, in lower case; the first that stands in a message decides. What tells more comes first: a refused
password and a full disk are reported over connections too."""
