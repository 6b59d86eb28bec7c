"""A bounded file of samples that the store could not take yet.

A file belongs to the process that holds its lock (flock). A process that needs one goes on with an orphaned file if
there is one, so a worker that is restarted again and again does not fill the disk; a later process replays what is
left. What is written survives the process, not the machine: nothing is synced.

Record: ``u32 length, u32 CRC-32 of the payload``; payload: ``u16 length of the name, name (UTF-8), u32 n,
n × i64 ts (µs), n × 4 × f64 values``; all little-endian. Reading stops at the first record that is torn or damaged.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from lumen_workers.domain.signals import SIGNALS, Block
from lumen_workers.loop.throttle import Throttle

LIMIT_BYTES = 16 * 1024 * 1024
"""Enough for 10 minutes of 10 loops at 50 Hz (300,000 samples of 40 bytes, and what the records add)."""

_HEAD = struct.Struct("<II")
_NAME = struct.Struct("<H")
_COUNT = struct.Struct("<I")
_ROW = 8 + 8 * len(SIGNALS)
_BATCH_ROWS = 5_000

_log = logging.getLogger(__name__)


def encode(loop: str, block: Block) -> bytes:
    """One record."""
    name = loop.encode()
    payload = b"".join(
        (
            _NAME.pack(len(name)),
            name,
            _COUNT.pack(len(block)),
            block.ts.astype("<i8").tobytes(),
            block.values.astype("<f8").tobytes(),
        )
    )
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def decode(data: bytes, offset: int) -> tuple[str, Block, int] | None:
    """The record at ``offset`` and the offset behind it; None when it is torn or damaged, or there is none."""
    start = offset + _HEAD.size
    if start > len(data):
        return None
    length, crc = _HEAD.unpack_from(data, offset)
    payload = data[start : start + length]
    if len(payload) != length or zlib.crc32(payload) != crc or length < _NAME.size + _COUNT.size:
        return None
    (name_length,) = _NAME.unpack_from(payload, 0)
    rows = _NAME.size + name_length + _COUNT.size
    if length < rows:
        return None
    (count,) = _COUNT.unpack_from(payload, rows - _COUNT.size)
    if length != rows + count * _ROW:
        return None
    ts = np.frombuffer(payload, "<i8", count, rows).astype(np.int64)
    values = np.frombuffer(payload, "<f8", count * len(SIGNALS), rows + 8 * count).astype(np.float64)
    loop = payload[_NAME.size : rows - _COUNT.size].decode(errors="replace")
    return loop, Block(ts, values.reshape(count, len(SIGNALS))), start + length


class Spool:
    """The spool of one process. Not thread-safe: the writer thread owns it."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._files: list[_File] = []
        self._throttle = Throttle(_log)

    @property
    def pending(self) -> bool:
        """Whether this process holds samples that are still to be replayed."""
        return bool(self._files)

    def append(self, loop: str, block: Block) -> bool:
        """Keep ``block``. False: it was lost, since the spool is full or the disk refused it (said in the log)."""
        record = encode(loop, block)
        try:
            if not self._files:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._files.append(self._orphan() or _File.create(self._folder))
            if self._files[0].size + len(record) > self._limit:
                self._throttle.warn(
                    "full",
                    f"spool {self._files[0].path} is full ({self._limit} bytes): new samples of loop {loop!r} are lost",
                )
                return False
            self._files[0].append(record)
        except OSError as error:
            self._throttle.warn("disk", f"spool {self._folder} cannot be written, samples are lost: {error}")
            return False
        return True

    def adopt(self) -> int:
        """Take over every orphaned file, for ``replay``; returns how many there were."""
        before = len(self._files)
        while (file := self._orphan()) is not None:
            self._files.append(file)
        return len(self._files) - before

    def replay(self, write: Callable[[str, Block], object], budget_s: float) -> int:
        """Give what is kept to ``write``, file by file, for about ``budget_s`` seconds; returns how many samples.

        A file is removed once all of it is written. What ``write`` raises passes through, and nothing is lost: the
        next call goes on at the same place (it may repeat a batch, which the store ignores).
        """
        until = time.monotonic() + budget_s
        count = 0
        while self._files:
            file = self._files[0]
            for batch, behind in file.batches():
                for loop, block in batch.items():
                    write(loop, block)
                    count += len(block)
                file.read = behind
                if time.monotonic() >= until:
                    return count
            file.remove()
            self._files.pop(0)
        return count

    def close(self) -> None:
        """Let go of the files; what is not replayed stays for a later process."""
        for file in self._files:
            file.close()
        self._files.clear()

    def _orphan(self) -> _File | None:
        """One file that no living process holds, locked for this one."""
        for path in sorted(self._folder.glob("*.spool")):
            try:
                file = _File.take(path)
            except OSError as error:
                self._throttle.warn(f"orphan {path}", f"spool file {path} cannot be read: {error}")
                continue
            if file is not None:
                return file
        return None


class _File:
    """One locked spool file; ``size`` is the end of its last whole record, ``read`` how far it is replayed."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.size = 0
        self.read = 0
        self._fd = fd

    @classmethod
    def create(cls, folder: Path) -> _File:
        """A new file, locked."""
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.spool"
        # It gets its name once it is locked: no other process can take it for an orphan.
        draft = path.with_suffix(".new")
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            draft.rename(path)
        except OSError:
            os.close(fd)
            raise
        return cls(path, fd)

    @classmethod
    def take(cls, path: Path) -> _File | None:
        """An existing file, if nobody holds it: a torn or damaged end is cut off."""
        try:
            fd = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino != os.fstat(fd).st_ino:
                raise FileNotFoundError(path)
        except (BlockingIOError, FileNotFoundError):
            os.close(fd)
            return None
        file = cls(path, fd)
        total = os.fstat(fd).st_size
        file.size = file._end(total)
        if file.size < total:
            _log.warning("spool file %s: %d bytes at its end are torn or damaged, ignored", path, total - file.size)
            os.ftruncate(fd, file.size)
        return file

    def append(self, record: bytes) -> None:
        """Write one record at the end. Raises OSError, and then the file ends as it did before."""
        try:
            written = os.pwrite(self._fd, record, self.size)
            if written < len(record):
                raise OSError(f"{self.path}: only {written} of {len(record)} bytes could be written")
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(record)

    def batches(self) -> Iterator[tuple[dict[str, Block], int]]:
        """What is not yet replayed, some thousand rows at a time, with the offset behind each batch."""
        data = self._load(self.size)
        offset = self.read
        parts: dict[str, list[Block]] = {}
        rows = 0
        while (record := decode(data, offset)) is not None:
            loop, block, offset = record
            parts.setdefault(loop, []).append(block)
            rows += len(block)
            if rows >= _BATCH_ROWS:
                yield {name: ordered(Block.concat(blocks)) for name, blocks in parts.items()}, offset
                parts, rows = {}, 0
        if rows:
            yield {name: ordered(Block.concat(blocks)) for name, blocks in parts.items()}, offset

    def remove(self) -> None:
        """Delete the file, then let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    def _end(self, total: int) -> int:
        data = self._load(total)
        offset = 0
        while (record := decode(data, offset)) is not None:
            offset = record[2]
        return offset

    def _load(self, size: int) -> bytes:
        return os.pread(self._fd, size, 0)


def ordered(block: Block) -> Block:
    """The block with ascending ts, each once (the first of equal ones stays, as in the store)."""
    if len(block) < 2 or bool(np.all(block.ts[1:] > block.ts[:-1])):
        return block
    ts, first = np.unique(block.ts, return_index=True)
    return Block(ts, block.values[first])
