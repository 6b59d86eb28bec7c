"""Qualified names of exceptions. The first class of an exception's method resolution order that stands here decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final


def _table(module: str, classes: Mapping[str, str]) -> dict[str, str]:
    """``{class: names}`` of one module, by qualified name."""
    return {f"{module}.{name}": error_class for error_class, names in classes.items() for name in names.split()}


def _joined(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: error_class for table in tables for name, error_class in table.items()}


NAMES: Final[Mapping[str, str]] = _joined(
    [
        _table(
            "builtins",
            {
                "network": "ConnectionError TimeoutError",
                "dependency": "ImportError",
                "build": (
                    "ArithmeticError AssertionError AttributeError BufferError EOFError LookupError NameError "
                    "NotImplementedError RecursionError SyntaxError TypeError ValueError"
                ),
                "environment": "MemoryError PermissionError",
            },
        ),
        _table("socket", {"network": "gaierror herror"}),
        # S20 counts the TLS handshake as network, and a certificate that does not verify is a failed handshake: a bad
        # node or a captive portal passes, what stays becomes a ticket after the reruns. Nothing is sent meanwhile.
        _table("ssl", {"network": "SSLError SSLCertVerificationError"}),
        _table("http.client", {"network": "HTTPException", "build": "InvalidURL"}),
        _table(
            "smtplib",
            {
                "network": "SMTPServerDisconnected",
                "external_api": "SMTPConnectError SMTPHeloError",
                "build": "SMTPException",
            },
        ),
        _table("subprocess", {"unknown": "TimeoutExpired"}),
        _table("asyncio.exceptions", {"network": "IncompleteReadError"}),
        _table("configparser", {"build": "Error"}),
        _table("_csv", {"build": "Error"}),
        _table("_pickle", {"build": "PickleError"}),
        _table("zipfile", {"build": "BadZipFile LargeZipFile"}),
        _table("tarfile", {"build": "TarError"}),
        _table("zlib", {"build": "error"}),
        _table("gzip", {"build": "BadGzipFile"}),
        _table("_lzma", {"build": "LZMAError"}),
        _table("struct", {"build": "error"}),
        _table("re", {"build": "error PatternError"}),
        _table("shutil", {"environment": "Error"}),
        _table("lumen_workers.archive.bundle", {"build": "BundleError"}),
        _table("locale", {"environment": "Error"}),
        _table("psutil", {"environment": "Error"}),
        _table("cronsim.cronsim", {"build": "CronSimError"}),
        _table("reportlab.platypus.doctemplate", {"build": "LayoutError"}),
        _table("cryptography.hazmat.bindings._rust.x509", {"build": "VerificationError"}),
        _table("yaml.error", {"build": "YAMLError"}),
        _table("cryptography.exceptions", {"build": "InvalidSignature InvalidTag UnsupportedAlgorithm"}),
        _table(
            "httpx",
            {
                "network": "TransportError",
                "external_api": "TooManyRedirects DecodingError",
                "build": "UnsupportedProtocol LocalProtocolError InvalidURL StreamError CookieConflict",
            },
        ),
        _table("httpcore", {"network": "NetworkError TimeoutException ProtocolError ProxyError"}),
        _table("requests.exceptions", {"network": "ConnectionError Timeout", "external_api": "TooManyRedirects"}),
        _table("urllib3.exceptions", {"network": "HTTPError"}),
        _table(
            "botocore.exceptions",
            {
                "network": (
                    "ConnectionError EndpointConnectionError ConnectTimeoutError ReadTimeoutError HTTPClientError "
                    "ConnectionClosedError SSLError ProxyConnectionError IncompleteReadError ResponseStreamingError"
                ),
                "token_expired": (
                    "NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError "
                    "NoAuthTokenError UnauthorizedSSOTokenError SSOTokenLoadError RefreshWithMFAUnsupportedError"
                ),
                "dependency": "MissingDependencyException",
                "external_api": "ChecksumError FlexibleChecksumError",
            },
        ),
        _table("botocore.parsers", {"external_api": "ResponseParserError"}),
        _table(
            "google.auth.exceptions",
            {"network": "TransportError", "token_expired": "RefreshError DefaultCredentialsError"},
        ),
        _table("dropbox.exceptions", {"token_expired": "AuthError", "external_api": "RateLimitError"}),
        _table(
            "redis.exceptions",
            {
                "network": "ConnectionError TimeoutError",
                "token_expired": "AuthenticationError AuthorizationError NoPermissionError",
                "external_api": (
                    "BusyLoadingError ReadOnlyError OutOfMemoryError ClusterDownError MasterDownError TryAgainError"
                ),
                "build": "DataError NoScriptError ModuleError",
            },
        ),
        _table("kombu.exceptions", {"build": "SerializationError EncodeError DecodeError ContentDisallowed"}),
        _table("psycopg.errors", {"network": "ConnectionTimeout"}),
        _table("sqlalchemy.exc", {"network": "TimeoutError DisconnectionError", "dependency": "NoSuchModuleError"}),
    ]
)

STOPPED: Final[Mapping[str, str]] = {
    "billiard.exceptions.SoftTimeLimitExceeded": "time limit",
    "billiard.exceptions.TimeLimitExceeded": "time limit",
    "billiard.exceptions.WorkerLostError": "worker lost",
    "billiard.exceptions.Terminated": "worker lost",
    "concurrent.futures.process.BrokenProcessPool": "worker lost",
}
"""A stage that was too slow, or whose process is gone: unknown, since nobody told why. Name → rule."""

GENERIC: Final[Mapping[str, str]] = _joined(
    [
        _table("builtins", {"environment": "OSError"}),
        _table("urllib.error", {"network": "URLError"}),
        _table("requests.exceptions", {"network": "RequestException"}),
        _table("botocore.exceptions", {"build": "BotoCoreError"}),
        _table("redis.exceptions", {"build": "ResponseError"}),
        _table("kombu.exceptions", {"network": "OperationalError"}),
        _table("psycopg", {"network": "OperationalError InterfaceError", "build": "Error"}),
        _table("sqlite3", {"build": "Error"}),
        _table(
            "sqlalchemy.exc",
            {"network": "OperationalError InterfaceError", "build": "SQLAlchemyError"},
        ),
        _table("alembic.util.exc", {"build": "CommandError"}),
    ]
)
"""Classes that wrap anything: they decide only where neither a cause nor the text says more."""
