"""A file that the loop reads: all rules as JSON, replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from lumen_workers.adapters.actuators.document import document
from lumen_workers.domain.errors import EnvironmentFault
from lumen_workers.domain.ports import Ack
from lumen_workers.domain.records import RuleEvent

_HINT = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EACCES: "no permission; let this user write there",
    errno.EPERM: "no permission; let this user write there",
    errno.EROFS: "the file system is read-only",
}


class FileActuator:
    """``file[:PATH]``: ``{loop, rules: {rule: value}, event_id, ts}``. A reader sees the old file or the new one."""

    name: str = "file"

    def __init__(self, path: Path) -> None:
        self.path = path

    def apply(self, loop: str, rules: Mapping[str, float], event: RuleEvent) -> Ack:
        """Replace the file; returns when it is on disk. The same call writes the same bytes.

        Raises EnvironmentFault when the machine does not let us; the file before stands then.
        """
        data = (json.dumps(document(loop, rules, event), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(draft, data)
                draft.replace(self.path)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
                raise
            _sync_folder(self.path.parent)
        except OSError as err:
            hint = _HINT.get(err.errno or 0, err.strerror or str(err))
            raise EnvironmentFault(f"cannot write the rules of loop {loop} to {self.path}: {hint}") from err
        return Ack()

    def acknowledged(self, loop: str, event: RuleEvent) -> None:
        """A file that could not be written says nothing."""


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
