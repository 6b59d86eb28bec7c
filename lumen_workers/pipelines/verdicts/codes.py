"""Numbers and codes that peers and the system answer with, by class."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final


def _by_word(classes: Mapping[str, str]) -> dict[str, str]:
    return {word: error_class for error_class, words in classes.items() for word in words.split()}


def _by_errno(classes: Mapping[str, str]) -> dict[int, str]:
    # Not every platform has them all.
    return {getattr(errno, name): found for name, found in _by_word(classes).items() if hasattr(errno, name)}


OURS: Final[Mapping[str, str]] = {
    # The same question has the same answer: nothing is gained by asking again.
    "check_failed": "build",
    "usage": "build",
    "not_found": "build",
    # What this machine was given is wrong.
    "config": "environment",
    # Must not be tried again by itself, and only classes without a rerun keep that; a person looks.
    "in_doubt": "build",
    # Nothing failed: another holder has the work.
    "lease_lost": "unknown",
}
"""Codes of our own errors that are not the name of a class."""

ERRNO: Final[Mapping[int, str]] = _by_errno(
    {
        "network": (
            "ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENETRESET "
            "EPIPE ENOTCONN ESHUTDOWN EPROTO"
        ),
        "environment": (
            "ENOSPC EDQUOT EACCES EPERM EROFS EMFILE ENFILE ENOMEM EIO EFBIG ENOENT ENOTDIR EISDIR EEXIST ENOTEMPTY "
            "ELOOP ENAMETOOLONG EXDEV EBUSY ETXTBSY ENODEV ENXIO ESTALE EADDRINUSE EADDRNOTAVAIL EMLINK ENOLCK ENOEXEC "
            "ECHILD ESRCH EAGAIN"
        ),
        "build": "EBADF EINVAL ESPIPE ENOTTY ENOTSOCK EDOM ERANGE",
    }
)

HTTP: Final[Mapping[int, str]] = {
    401: "token_expired",
    403: "token_expired",
    407: "token_expired",
    # The peer was too slow or too busy: a request like this one may be taken later.
    408: "external_api",
    425: "external_api",
    429: "external_api",
}
"""Statuses that are not what the rest of their hundred is."""


def http_class(status: int) -> str:
    """5xx: the peer failed. What is left of 3xx and 4xx: our request is wrong."""
    return HTTP.get(status, "external_api" if status >= 500 else "build")


AWS: Final[Mapping[str, str]] = _by_word(
    {
        "token_expired": (
            "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired InvalidToken InvalidAccessKeyId "
            "InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch IncompleteSignature AuthFailure "
            "MissingAuthenticationToken MissingSecurityHeader AccessDenied AccessDeniedException UnauthorizedOperation "
            "AllAccessDisabled AccountProblem InvalidSecurity NotSignedUp OptInRequired UnauthorizedException"
        ),
        "environment": "RequestTimeTooSkewed RequestInTheFuture",
        "network": "RequestTimeout RequestTimeoutException",
        "external_api": (
            "SlowDown RequestThrottled RequestThrottledException RequestLimitExceeded TooManyRequestsException "
            "EC2ThrottledException BandwidthLimitExceeded ProvisionedThroughputExceededException OperationAborted "
            "PriorRequestNotComplete InternalError InternalFailure InternalServerError InternalServiceError "
            "ServiceUnavailable ServiceUnavailableException"
        ),
        "build": "NoSuchBucket NoSuchKey InvalidBucketName EntityTooLarge BadDigest MalformedXML PreconditionFailed",
    }
)
"""Codes in the body of an AWS answer. They come before its status: ExpiredToken, Throttling and RequestTimeout are 400.
A code that begins with ``Throttl`` is external_api."""

SMTP: Final[Mapping[int, str]] = {
    530: "token_expired",
    534: "token_expired",
    535: "token_expired",
    538: "token_expired",
}


def smtp_class(code: int) -> str | None:
    """421 and 4xx: later. 5xx: never as it is. None: no failure."""
    return SMTP.get(code) or {4: "external_api", 5: "build"}.get(code // 100)


SQLSTATE: Final[Mapping[str, str]] = {
    "08": "network",
    "25006": "external_api",
    "25P03": "network",
    "28": "token_expired",
    "3D": "environment",
    "40": "external_api",
    "42501": "environment",
    "53": "external_api",
    "53100": "environment",
    "55P03": "external_api",
    "57014": "external_api",
    "57P": "network",
    "58": "external_api",
    "XX": "external_api",
}
"""PostgreSQL's codes; the longest beginning that stands here decides. Trouble of the server's is external_api or, where
the connection is gone, network. All others are about what was asked: build."""

SQLITE: Final[Mapping[str, str]] = _by_word(
    {
        # A lock passes by itself, like a peer that does not answer in time.
        "network": "SQLITE_BUSY SQLITE_LOCKED SQLITE_PROTOCOL",
        "environment": (
            "SQLITE_FULL SQLITE_READONLY SQLITE_CANTOPEN SQLITE_PERM SQLITE_CORRUPT SQLITE_NOTADB SQLITE_NOMEM "
            "SQLITE_IOERR SQLITE_AUTH"
        ),
        "build": (
            "SQLITE_ERROR SQLITE_CONSTRAINT SQLITE_MISMATCH SQLITE_MISUSE SQLITE_RANGE SQLITE_TOOBIG SQLITE_SCHEMA"
        ),
    }
)
"""SQLite's primary codes; an extended one (``SQLITE_BUSY_SNAPSHOT``) counts as its primary one."""

TLS_LIBRARIES: Final = frozenset({"X509", "PEM", "ASN1"})
"""Parts of OpenSSL that complain about files of this machine; the handshake's own is SSL."""

EXIT_STATUS: Final[Mapping[int, str]] = {
    -9: "environment",  # killed: hardly ever by anything but want of memory
    126: "environment",  # found, and may not be run
    127: "dependency",  # not found
    137: "environment",
}
"""How a program that we started ended."""
