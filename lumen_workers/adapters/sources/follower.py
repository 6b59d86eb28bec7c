"""Follows a growing file in the S02 form: rotation, truncation, half-written lines, rows that are no samples.

- A line counts once its newline is there.
- Rotation (another file stands at the path): the old file is read to its end, twice, so that a writer's last row is
  not missed, then the new one from its start.
- Truncation or rewriting (the bytes before the present place are no longer the same): the file is read anew.
- Where a file is taken up, rows at or before the last known time are stored already: they are passed over silently,
  and so is what was refused between them. From the first new row on, a row that does not rise is refused.
- A file that was rotated away while nobody followed is not looked for; ``import`` reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lumen_workers.adapters.sources.quarantine import Refused
from lumen_workers.domain.errors import UsageError
from lumen_workers.domain.signals import Block, Reading
from lumen_workers.loop.metrics_csv import BadRow, Reason, RowFilter, check_header, parse_line

CHUNK: Final = 16 * 1024
"""Bytes read in one poll: some 250 rows, about a millisecond of work."""

MAX_LINE: Final = 4096
"""Bytes; a longer line is refused, and its first part kept."""

_MARK: Final = 64
_BACK: Final = 64 * 1024
_HELD: Final = 1000


class Follower:
    """State of one followed path. Not thread-safe; ``poll`` does a bounded piece of work.

    ``refuse`` gets the rows that are no samples; ``problem`` a kind and a text for what stands in the way.
    """

    _mark: bytes
    """The last bytes before the present place: the file is the same one as long as they are there."""
    _stuck: bool
    """The file has no header; it is left alone until it changes."""

    def __init__(
        self,
        path: Path,
        last_us: int | None,
        *,
        refuse: Callable[[list[Refused]], None],
        problem: Callable[[str, str], None],
    ) -> None:
        self._path = path
        self._refuse = refuse
        self._problem = problem
        self._rows = RowFilter(last_us)
        self._fd: int | None = None
        self._absent = False
        self._place(0)

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def poll(self, limit_us: int | None = None) -> tuple[Block, bool]:
        """The samples of the next piece of the file, and whether there may be more right away.

        Rows after ``limit_us`` are refused. Raises OSError when the file cannot be read.
        """
        if self._fd is None:
            self._fd = self._opened()
            if self._fd is None:
                return Block.empty(), False
            self._place(find_start(self._fd, self._rows.last_us))
        data = os.pread(self._fd, len(self._mark) + CHUNK, self._offset - len(self._mark))
        if not data.startswith(self._mark):
            self._cut_off()
            self._place(find_start(self._fd, self._rows.last_us))
            return Block.empty(), True
        fresh = data[len(self._mark) :]
        if fresh and not self._stuck:
            self._leaving = False
            self._offset += len(fresh)
            self._mark = data[-_MARK:]
            return Block.of(self._samples(fresh, limit_us)), True
        self._flush()
        return Block.empty(), self._rotated()

    def _place(self, offset: int) -> None:
        """Go on at ``offset`` of the open file: 0, or the start of a line behind the header."""
        self._offset = offset
        self._mark = b""
        if self._fd is not None and offset:
            length = min(_MARK, offset)
            self._mark = os.pread(self._fd, length, offset - length)
        self._buffer = b""
        self._overlong = False
        self._headed = offset > 0
        self._stuck = False
        self._leaving = False
        self._passing = self._rows.last_us is not None
        self._held: list[Refused] = []
        self._line_no = 0
        self._uncounted = offset

    def _opened(self) -> int | None:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            if not self._absent:
                self._problem("no_file", f"{self._path} is not there; waiting for it")
            self._absent = True
            return None
        self._absent = False
        return fd

    def _rotated(self) -> bool:
        """At the end of the file: move on when another one stands at the path, at the second look."""
        assert self._fd is not None
        try:
            there, here = self._path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
            return False
        if not self._leaving:
            self._leaving = True
            return False
        self._cut_off()
        self.close()
        return True

    def _cut_off(self) -> None:
        """The file ends here for good: a row without its newline may lack digits, so it is no sample."""
        if self._buffer and not self._stuck:
            self._line_no += 1
            self._hold(self._buffer, Reason.PARTIAL)
        self._flush()

    def _samples(self, fresh: bytes, limit_us: int | None) -> list[tuple[int, Reading]]:
        lines = (self._buffer + fresh).split(b"\n")
        self._buffer = lines.pop()
        out: list[tuple[int, Reading]] = []
        for line in lines:
            if self._overlong:  # the rest of a line that was refused
                self._overlong = False
                continue
            self._line_no += 1
            if not self._headed:
                if not self._head(line):
                    return []
            elif line.strip():
                sample = self._row(line, limit_us)
                if sample is not None:
                    out.append(sample)
        if self._overlong:
            self._buffer = b""
        elif len(self._buffer) > MAX_LINE:
            self._line_no += 1
            if self._headed:
                self._hold(self._buffer, Reason.LENGTH)
            else:
                self._head(self._buffer)
            self._buffer, self._overlong = b"", True
        if not self._passing or len(self._held) > _HELD:
            self._flush()
        return out

    def _head(self, line: bytes) -> bool:
        try:
            check_header(line.decode("utf-8", "backslashreplace"), str(self._path))
        except UsageError as err:
            self._stuck = True
            self._problem("header", f"{err}; nothing is read until the file has it")
            return False
        self._headed = True
        return True

    def _row(self, line: bytes, limit_us: int | None) -> tuple[int, Reading] | None:
        try:
            if len(line) > MAX_LINE:
                raise BadRow(Reason.LENGTH)
            ts_us, reading = parse_line(line.decode("utf-8", "backslashreplace"))
            if self._passing and self._rows.last_us is not None and ts_us <= self._rows.last_us:
                self._held.clear()  # stands before a stored row: whoever read that one refused these
                return None
            self._rows.check(ts_us, limit_us)
        except BadRow as err:
            self._hold(line, err.reason)
            return None
        self._passing = False
        return ts_us, reading

    def _hold(self, line: bytes, reason: Reason) -> None:
        text = line[:MAX_LINE].decode("utf-8", "backslashreplace").rstrip("\r")
        self._held.append(Refused(self._line_no, text, reason.value))

    def _flush(self) -> None:
        """Hand out the held rows, their lines counted from the file's first."""
        if not self._held:
            return
        if self._uncounted and self._fd is not None:
            before = count_lines(self._fd, self._uncounted)
            self._line_no += before
            self._held = [row._replace(line_no=row.line_no + before) for row in self._held]
            self._uncounted = 0
        rows, self._held = self._held, []
        self._refuse(rows)


def find_start(fd: int, last_us: int | None) -> int:
    """Where to take up the file: the start of a line with only stored rows before it, or 0 for the whole file.

    Walks back from the end to the first piece all of whose rows are at or before ``last_us``: what is new is read,
    not the whole file.
    """
    if last_us is None:
        return 0
    head, newline, _ = os.pread(fd, MAX_LINE, 0).partition(b"\n")
    try:
        check_header(head.decode("utf-8", "backslashreplace"), "")
    except UsageError:
        return 0
    if not newline:
        return 0
    first = len(head) + 1
    times = _times(os.pread(fd, MAX_LINE, first))
    if times and times[0] > last_us:
        return 0
    end = os.fstat(fd).st_size
    while end > first:
        start = max(first, end - _BACK)
        piece = os.pread(fd, end - start, start)
        if start > first:  # begin at a line's start
            cut = piece.find(b"\n") + 1
            start, piece = start + cut, piece[cut:]
        times = _times(piece)
        if times and max(times) <= last_us:
            return start
        end = start if start < end else end - _BACK
    return 0


def count_lines(fd: int, end: int) -> int:
    """Newlines before the offset ``end``."""
    return sum(os.pread(fd, min(1 << 20, end - at), at).count(b"\n") for at in range(0, end, 1 << 20))


def _times(piece: bytes) -> list[int]:
    """The times of the whole lines that are samples."""
    out = []
    for line in piece[: piece.rfind(b"\n") + 1].splitlines():
        try:
            out.append(parse_line(line.decode("utf-8", "backslashreplace"))[0])
        except BadRow:
            continue
    return out
