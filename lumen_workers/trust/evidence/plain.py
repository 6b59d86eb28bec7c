"""Files of a folder that may be hostile: opened without following a link, in whatever part of the path."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotPlain(OSError):
    """There is something, and it is no plain file, or a link leads to it."""


def open_plain(folder: Path, relative: str) -> BufferedReader:
    """The file at ``relative`` (parts joined by "/") below ``folder``. Raises FileNotFoundError, NotPlain, OSError."""
    *parents, name = relative.split("/")
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parents:
            inner = _open(part, os.O_DIRECTORY, place)
            os.close(place)
            place = inner
        descriptor = _open(name, os.O_NONBLOCK, place)
    finally:
        os.close(place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlain(errno.EINVAL, "it is no plain file", relative)
    return os.fdopen(descriptor, "rb")


def digest_of(folder: Path, relative: str) -> str:
    """SHA-256 of a plain file, hex. Raises as ``open_plain`` does."""
    with open_plain(folder, relative) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_plain(folder: Path, relative: str, most: int) -> bytes:
    """At most ``most`` + 1 bytes of a plain file. Raises as ``open_plain`` does."""
    with open_plain(folder, relative) as stream:
        return stream.read(most + 1)


def _open(name: str, flags: int, place: int) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=place)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise NotPlain(error.errno, "a link or a special file is in the way", name) from None
        raise
