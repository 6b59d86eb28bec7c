"""Metrics without being asked for them: into node exporter's folder, or to a Pushgateway."""

from __future__ import annotations

import functools
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

from prometheus_client.exposition import basic_auth_handler, default_handler, push_to_gateway, write_to_textfile
from prometheus_client.registry import Collector

from lumen_workers.domain.errors import ConfigError, EnvironmentFault, ExternalApiError, NetworkError, TokenExpired

JOB: Final = "lumen"
"""The one group on a Pushgateway: counters come from the store, so each push goes on where the last one was."""

FILE: Final = "lumen.prom"
_TIMEOUT_S: Final = 10.0


def write_textfile(folder: Path, collector: Collector) -> Path:
    """Write ``lumen.prom`` at once and whole; returns its path.

    Where the store does not answer, the file is taken away: what stands in it is no longer true. Raises
    EnvironmentFault, and what the store raises.
    """
    path = folder / FILE
    try:
        write_to_textfile(str(path), collector)
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be written: {error.strerror}; LUMEN_TEXTFILE_DIR or --textfile"
        ) from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def push(url: str, collector: Collector) -> str:
    """Replace what the Pushgateway at ``url`` (``http[s]://[user:password@]host[:port]``) has of us.

    Returns the URL without the password. Raises ConfigError, NetworkError, TokenExpired, ExternalApiError.
    """
    gateway, user, password = _split(url)
    handler = default_handler
    if user is not None:
        handler = functools.partial(basic_auth_handler, username=user, password=password or "")
    try:
        push_to_gateway(gateway, job=JOB, registry=collector, timeout=_TIMEOUT_S, handler=handler)
    except HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise TokenExpired(f"{gateway} refuses us ({error.code}); correct user and password in its URL") from None
        raise ExternalApiError(f"{gateway} answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise NetworkError(f"{gateway} did not take the metrics: {getattr(error, 'reason', error)}") from None
    return gateway


def _split(url: str) -> tuple[str, str | None, str | None]:
    """The URL without credentials, and those."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or parts.scheme not in ("http", "https"):
        raise ConfigError("the Pushgateway's URL is http://host:9091 or https://…; correct --push or PUSHGATEWAY_URL")
    place = f"[{host}]" if ":" in host else host
    bare = urlunsplit((parts.scheme, place if port is None else f"{place}:{port}", parts.path, "", ""))
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    return bare, user, password
