"""Secrets that stand in a file or in a variable that a file names, and what of the environment others may see."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lumen_workers.domain.errors import ConfigError

_MOST_BYTES = 16 * 1024
_HARMLESS: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


def read_secret(path: Path, where: str) -> str:
    """The one line of a file that nobody else may read. Raises ConfigError: it names ``where``, never the line."""
    try:
        return check_secret(_read(path, where).decode("ascii").strip(), where)
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {path} is not one line of ASCII") from None


def read_phrase(path: Path, where: str) -> str:
    """The same for a phrase in any language."""
    try:
        text = _read(path, where).decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise ConfigError(f"{where}: {path} is not one line of UTF-8")
    return text


def _read(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            data = stream.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{where}: {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigError(f"{where}: others may read {path} (mode {mode:04o}); run: chmod 600 {path}")
    return data


def variable(name: str, where: str) -> str:
    """What the environment variable holds that a file names. Raises ConfigError, which does not repeat it."""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError(f"{where}: {name} is not set in the environment of this process")
    return check_secret(value, where)


def passed_on(names: Sequence[str]) -> dict[str, str]:
    """The environment for a program that is to see nothing of ours: what every program needs, and ``names``."""
    return {name: os.environ[name] for name in (*_HARMLESS, *names) if name in os.environ}


def check_secret(value: str, where: str) -> str:
    """``value`` if it can be sent: printable ASCII, not empty. Raises ConfigError, which does not repeat it."""
    if not value or not value.isascii() or not value.isprintable():
        raise ConfigError(f"{where}: must be one line of printable ASCII, and not empty")
    return value
