"""The broker's URL, as people write it and as Celery wants it, and how its TLS is verified."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from lumen_workers.domain.errors import ConfigError, EnvironmentFault

SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix")

_UNWANTED: Final = ("ssl", "user", "password", "credential")
"""Starts of the names of query items that would weaken TLS, or carry a secret where nobody hides it."""


def celery_url(url: str) -> str:
    """``url`` for Celery, which names a unix socket ``redis+socket``.

    Raises ConfigError when it is not Redis's or cannot be read safely; the message never holds the URL.
    """
    parts = _parts(url)
    if parts.scheme == "unix":
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    return url


def database(url: str | None) -> int:
    """The number of the database that ``url`` names, 0 without one. Raises ConfigError."""
    if url is None:
        return 0
    parts = _parts(url)
    socket = parts.scheme in ("unix", "redis+socket")
    query = parse_qs(parts.query)
    text = query.get("db" if parts.scheme == "unix" else "virtual_host", ["0"])[0] if socket else parts.path
    number = text.strip("/") or "0"
    if not number.isdecimal():
        raise ConfigError(f"LUMEN_BROKER_URL: database {number[:40]!r} is not a number")
    return int(number)


def _parts(url: str) -> Any:
    allowed = f"is not one of {', '.join(SCHEMES)}"
    try:
        parts = urlsplit(url)
        scheme, _ = parts.scheme if "://" in url else "", parts.port
    except ValueError:
        # An unescaped "/" or "@" of a password ends the host too early: what follows is no port.
        raise ConfigError(
            "LUMEN_BROKER_URL: its host or port cannot be read; write it as rediss://user:password@host:port/0, with "
            "special characters of the password in percent form (/ is %2F, @ is %40, # is %23)"
        ) from None
    if scheme not in SCHEMES:
        raise ConfigError(f"LUMEN_BROKER_URL: scheme {scheme or 'missing'} {allowed}")
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ConfigError(
            "LUMEN_BROKER_URL: the password has characters that end it early; write them in percent form (/ is %2F, "
            "? is %3F, # is %23)"
        )
    if unwanted := [name for name in parse_qs(parts.query, keep_blank_values=True) if name.startswith(_UNWANTED)]:
        raise ConfigError(
            f"LUMEN_BROKER_URL: {unwanted[0]} does not belong behind the question mark; user and password stand before "
            "the host, and LUMEN_BROKER_CA, LUMEN_BROKER_CERT and LUMEN_BROKER_KEY say how TLS is verified"
        )
    return parts


def tls_options(url: str | None, *, ca: Path | None, cert: Path | None, key: Path | None) -> dict[str, Any]:
    """How to verify the broker and show a certificate of one's own, in redis-py's names; empty without ``rediss://``.

    Celery takes the same dictionary as ``broker_use_ssl``. Without it kombu would verify nothing. Without ``ca`` the
    machine's own authorities count. Raises ConfigError for files that do not fit, EnvironmentFault for a key that
    others may read.
    """
    given = {f"LUMEN_BROKER_{n}": p for n, p in (("CA", ca), ("CERT", cert), ("KEY", key)) if p is not None}
    if url is None or urlsplit(url).scheme != "rediss":
        if given:
            raise ConfigError(f"{', '.join(given)}: only for a LUMEN_BROKER_URL that begins with rediss://; unset it")
        return {}
    if (cert is None) != (key is None):
        raise ConfigError("LUMEN_BROKER_CERT and LUMEN_BROKER_KEY belong together; set both or none")
    _check(ca, cert, key)
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        **({"ssl_ca_certs": str(ca)} if ca is not None else {}),
        **({"ssl_certfile": str(cert), "ssl_keyfile": str(key)} if cert is not None else {}),
    }


def _check(ca: Path | None, cert: Path | None, key: Path | None) -> None:
    """Load the files as a connection would: what is wrong with them is said before anything starts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"LUMEN_BROKER_CA={ca}: {_said(error, 'no certificates in PEM form')}") from None
    if cert is None or key is None:
        return
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            raise EnvironmentFault(f"LUMEN_BROKER_KEY={key}: others may use it (mode {mode:04o}); run: chmod 600 {key}")
        # Without a password of ours, OpenSSL would ask the terminal for one.
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        wrong = "not a certificate and its unencrypted private key in PEM form"
        raise ConfigError(f"LUMEN_BROKER_CERT={cert}, LUMEN_BROKER_KEY={key}: {_said(error, wrong)}") from None


def _said(error: OSError, otherwise: str) -> str:
    return otherwise if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
