"""What lies in a folder that may be hostile, without following a link."""

from __future__ import annotations

import os
import stat
from enum import Enum
from io import BufferedReader
from pathlib import Path
from typing import Final

MAX_ENTRIES: Final = 50_000


class Kind(Enum):
    """What a path is. Folders that hold something are not listed: what they hold is."""

    FILE = "file"
    EMPTY_FOLDER = "empty folder"
    SYMLINK = "symlink"
    SPECIAL = "special"
    UNREADABLE = "unreadable"


class Tree:
    """A folder's contents, as they were when it was made. Never raises for what lies there."""

    exists: bool
    kinds: dict[str, Kind]
    """Relative POSIX path → kind."""
    folders: set[str]
    complete: bool
    """False: there were more than MAX_ENTRIES, and the rest was not looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.exists = folder.is_dir()
        self.kinds = {}
        self.folders = set()
        self.complete = True
        if self.exists:
            self._walk()

    def open(self, path: str) -> BufferedReader:
        """A plain file's bytes. Raises OSError, also for a link, or for what is no plain file any more."""
        descriptor = os.open(self._folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        stream = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            stream.close()
            raise OSError(None, "no plain file any more")
        return stream

    def _walk(self) -> None:
        pending = [""]
        seen = 0
        while pending:
            prefix = pending.pop()
            try:
                with os.scandir(self._folder / prefix) as items:
                    empty = True
                    for item in items:
                        empty = False
                        seen += 1
                        if seen > MAX_ENTRIES:
                            self.complete = False
                            return
                        path = f"{prefix}/{item.name}" if prefix else item.name
                        if item.is_symlink():
                            self.kinds[path] = Kind.SYMLINK
                        elif item.is_dir(follow_symlinks=False):
                            self.folders.add(path)
                            pending.append(path)
                        else:
                            self.kinds[path] = Kind.FILE if item.is_file(follow_symlinks=False) else Kind.SPECIAL
                if empty and prefix:
                    self.kinds[prefix] = Kind.EMPTY_FOLDER
            except OSError:
                self.kinds[prefix or "."] = Kind.UNREADABLE
