"""Where readings of the surroundings come from: ``make_environment`` makes what ``configs/rhythm.yaml`` names.

``none``, ``csv:PATH`` (the form of ``logs/environment.csv``), or ``http:URL`` (JSON with the same names).
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from lumen_workers.adapters.options import resolve_inside, split_kind
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.ports.environment import EnvironmentSource

_WHERE = "rhythm: source"


def make_environment(source: str, *, home: Path, timeout_s: float) -> EnvironmentSource | None:
    """The source that ``source`` names, None for ``none``; it opens nothing. Raises ConfigError, one line."""
    kind, argument = split_kind(source)
    if kind == "none" and not argument:
        return None
    if kind == "csv" and argument:
        from lumen_workers.adapters.environment.csv_file import CsvEnvironment

        return CsvEnvironment(resolve_inside(argument, home, _WHERE))
    if kind == "http" and argument:
        from lumen_workers.adapters.environment.web import WebEnvironment  # httpx takes a while to import

        _check_url(argument)
        return WebEnvironment(argument, timeout_s=timeout_s)
    raise ConfigError(f"{_WHERE}: {source!r} is none of none, csv:PATH and http:URL")


def _check_url(url: str) -> None:
    """Https to anywhere, http to this machine only, and no credentials."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise ConfigError(f"{_WHERE}: give a URL behind http:, such as http:https://sensors.example/now")
    if "@" in parts.netloc:
        raise ConfigError(f"{_WHERE}: the URL must not hold credentials")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigError(f"{_WHERE}: plain http goes to this machine only (127.0.0.1, ::1, localhost); use https")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
