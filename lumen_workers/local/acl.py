"""The broker's access list: one Redis user for each region, with what kombu and Celery need of it and nothing else.

What they need was found with MONITOR and ACL LOG on running systems (kombu 5.7, Celery 5.7); a test holds it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from lumen_workers.domain.errors import EnvironmentFault, UsageError
from lumen_workers.trust.files import write_once
from lumen_workers.worker.transport import UNACKNOWLEDGED

FILE: Final = "users.acl"

COMMANDS: Final = (
    # messages, and what is known of them until they are acknowledged
    *("lpush", "rpush", "brpop", "rpop", "llen", "exists", "del", "pexpire"),
    *("hset", "hget", "hdel", "zadd", "zrem", "zrange", "zrangebyscore", "set", "get"),
    *("watch", "unwatch", "multi", "exec", "discard"),
    # which queue listens to what
    *("sadd", "srem", "smembers", "time"),
    # events and remote control
    *("publish", "psubscribe", "punsubscribe", "subscribe", "unsubscribe"),
    # kombu gives back its lock, and keeps its bindings, by scripts; what a script does is checked like the rest
    *("evalsha", "script|load", "script|exists"),
    *("ping", "select", "client|setname"),
)

SHARED: Final = ("_kombu.binding*", "*.celery.pidbox", "*.celery.pidbox??[369]", "celeryev.*")
"""Keys that all regions use: bindings, and the mail boxes of remote control and of its askers."""

_PASSWORD: Final = re.compile(r"[\x21-\x7e]{16,512}")


class Dialect(StrEnum):
    """Whose access lists."""

    REDIS_7 = "7"
    """With selectors: other regions' lanes may be written to, and not read."""
    REDIS_6_2 = "6.2"
    """Without: who may write to a lane may read it."""


def users(passwords: Mapping[str, str], regions: Sequence[str], dialect: Dialect, database: int = 0) -> str:
    """The file's text: a user for each region of ``passwords``, who may send to the jobs lanes of all ``regions``."""
    lines = ["user default off"]
    for region, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        others = [pattern for other in regions if other != region for pattern in lane(f"{other}.jobs")]
        own = [*lane(f"{region}.jobs"), *lane(f"{region}.sampler")]
        kept = [f"{name}.{region}.*" for name in UNACKNOWLEDGED]
        channels = [f"/{database}.celery.pidbox", f"/{database}.celeryev/*"]
        words = [
            *("on", f"#{digest}", "resetkeys", "resetchannels", "-@all"),
            *(f"+{command}" for command in COMMANDS),
            *(f"~{key}" for key in (*own, *kept, *SHARED)),
            *(f"&{channel}" for channel in channels),
        ]
        if others and dialect is Dialect.REDIS_7:
            words.append(f"(+lpush +llen +exists {' '.join(f'~{key}' for key in others)})")
        else:
            words += [f"~{key}" for key in others]
        lines.append(f"user {region} {' '.join(words)}")
    return "\n".join(lines) + "\n"


def lane(queue: str) -> tuple[str, str]:
    """The keys of a queue: kombu keeps one for each of four priorities, two bytes and a digit behind the name."""
    return queue, f"{queue}??[369]"


def password_of(region: str, folder: Path | None, broker_url: str | None) -> str:
    """A region's password: of ``<folder>/<region>.password``, else of ``LUMEN_BROKER_URL`` where that is its user's.

    Where there is neither, one is made and kept in the folder, mode 0600. Raises UsageError without a folder,
    EnvironmentFault for a file that others may read or that does not hold a password.
    """
    url = urlsplit(broker_url or "")
    known = unquote(url.password) if url.password and url.username == region else None
    if folder is None:
        if known is None:
            raise UsageError(f"there is no password of {region}; name a folder for passwords with --out")
        return known
    path = folder / f"{region}.password"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_once(path, f"{known or secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii", "replace").strip()
    except OSError as error:
        raise EnvironmentFault(f"{path}: {error.strerror}; choose another folder with --out") from None
    if mode & 0o077:
        raise EnvironmentFault(f"{path}: others may read it (mode {mode:04o}); run: chmod 600 {path}")
    if not _PASSWORD.fullmatch(text):
        raise EnvironmentFault(f"{path} holds no password: 16 to 512 letters, digits and signs, no spaces")
    return text


def write(path: Path, text: str) -> None:
    """Replace the file, mode 0600. Raises EnvironmentFault."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
            stream.write(text)
        fresh.replace(path)
    except OSError as error:
        raise EnvironmentFault(f"{path}: {error.strerror}; choose another folder with --out") from None
