"""What the processes print: one rotating file for each, and one prefixed stream on the terminal."""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from lumen_workers.domain.errors import EnvironmentFault

MAX_BYTES: Final = 10_000_000
BACKUPS: Final = 5

_COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
# A process may print what a stranger sent; it must not steer the terminal.
_CONTROLS: Final = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))


class _Rotating(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 — the base class's name
        """A full disk costs log lines, never the system that is being supervised."""


class LogFile:
    """``path`` with ``path.1`` … ``path.5`` behind it, about 10 MB each; lines as they came.

    Raises EnvironmentFault when it cannot be opened.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        try:
            self._handler = _Rotating(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8", errors="replace")
        except OSError as fault:
            raise EnvironmentFault(f"the log {path} cannot be written: {fault.strerror}") from fault

    def write(self, line: str) -> None:
        self._handler.handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        with suppress(OSError):  # what a full disk did not take is tried once more here
            self._handler.close()


def log_name(process: str) -> str:
    """The file name of a process's log: ``us-west-2/jobs`` → ``us-west-2-jobs.log``."""
    return process.replace("/", "-") + ".log"


class Terminal:
    """Prefixed lines on ``stream``. Never blocks: a thread writes, and lines that a stuck terminal cannot take are
    counted and left to the files."""

    def __init__(self, stream: TextIO | None, *, width: int = 0, colour: bool = False, limit: int = 5000) -> None:
        self._width = width
        self._colour = colour
        self._numbers: dict[str, int] = {}
        self._lines: queue.Queue[bytes | None] = queue.Queue(limit)
        self._dropped = 0
        self._writer: threading.Thread | None = None
        if stream is not None:
            stream.flush()
            self._encoding = stream.encoding or "utf-8"
            # The descriptor itself: a buffered stream's lock, held by a stuck write, blocks the exit.
            self._fd = stream.fileno()
            self._writer = threading.Thread(target=self._write, name="terminal", daemon=True)
            self._writer.start()

    def line(self, name: str, text: str) -> None:
        """Show ``text`` as a line of ``name``."""
        if self._writer is None:
            return
        if self._dropped and not self._lines.full():
            dropped, self._dropped = self._dropped, 0
            self._put("lumen", f"{dropped} lines were not shown here; the log files have them")
        self._put(name, text.translate(_CONTROLS))

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what is left, for at most ``timeout_s`` seconds."""
        if self._writer is not None:
            try:
                self._lines.put(None, timeout=timeout_s)
            except queue.Full:
                return
            self._writer.join(timeout_s)

    def _put(self, name: str, text: str) -> None:
        number = self._numbers.setdefault(name, len(self._numbers))
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            prefix = f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{prefix}\x1b[0m"
        try:
            self._lines.put_nowait(f"{prefix} {text}\n".encode(self._encoding, "replace"))
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (data := self._lines.get()) is not None:
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                break  # the reader went away (`lumen run | head`); the files go on
        while data is not None:
            data = self._lines.get()
