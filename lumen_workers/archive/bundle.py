"""The bundle: a tar whose bytes follow from its files alone, compressed with gzip or xz.

Plain ustar: members sorted by path, mode 0644, owner 0, no names, one given mtime; two zero blocks and zeros up to a
multiple of 10,240 bytes end it. The reader takes nothing else: links, folders and extension headers are refused
instead of interpreted, and memory stays bounded whatever the input claims.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, Final

BLOCK: Final = tarfile.BLOCKSIZE
_RECORD: Final = tarfile.RECORDSIZE
_CHUNK: Final = 256 * 1024
_XZ_MEMORY: Final = 64 * 1024**2


class BundleError(Exception):
    """The stream cannot be read on."""


class Truncated(BundleError):
    """It ends too early."""


class Corrupt(BundleError):
    """It is not what its compression or tar says, or more follows its end."""


class TooLarge(BundleError):
    """It holds more than it may."""


def tar_size(sizes: Iterable[int]) -> int:
    """Bytes of the tar that holds files of ``sizes`` bytes."""
    used = sum(BLOCK + size + -size % BLOCK for size in sizes) + 2 * BLOCK
    return used + -used % _RECORD


class TarWriter:
    """Writes members to a compressed file while it hashes the tar. Use ``open_bundle``."""

    def __init__(self, stream: BufferedIOBase, mtime: int) -> None:
        self._stream = stream
        self._mtime = mtime
        self._digest = hashlib.sha256()
        self.size = 0

    def member(self, path: str, size: int) -> None:
        """Begin a file: exactly ``size`` bytes must be written next. Raises ValueError for a path ustar cannot hold."""
        info = tarfile.TarInfo(path)
        info.size, info.mtime, info.mode = size, self._mtime, 0o644
        self.write(info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self._stream.write(data)
        self.size += len(data)

    def pad(self) -> None:
        """End a file."""
        self.write(bytes(-self.size % BLOCK))

    def finish(self) -> str:
        """End the tar; returns its SHA-256, hex."""
        self.write(bytes(2 * BLOCK))
        self.write(bytes(-self.size % _RECORD))
        return self._digest.hexdigest()


@contextmanager
def open_bundle(path: Path, compression: str, mtime: int) -> Iterator[TarWriter]:
    """A new bundle at ``path``; ``compression`` is gz or xz, ``mtime`` seconds since the epoch for every member."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("xb"))
        stream: BufferedIOBase
        if compression == "gz":
            stream = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0))
        else:
            stream = stack.enter_context(lzma.LZMAFile(file, "wb"))
        yield TarWriter(stream, mtime)


class TarReader:
    """Walks a compressed tar once, front to back."""

    def __init__(self, file: BinaryIO, compression: str, limit: int) -> None:
        """``limit`` is the most bytes the tar may have."""
        self._chunks = _bounded(_inflated(file) if compression == "gz" else _unxz(file), limit)
        self._rest = b""
        self._left = 0
        self._digest = hashlib.sha256()

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Each member's header; what of its content was not read is skipped. At the end, all of the tar was read.

        Raises BundleError.
        """
        while (block := self._exactly(BLOCK)).strip(b"\0"):
            try:
                info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.TarError:
                raise Corrupt("a member has no valid header") from None
            if info.size < 0:
                raise Corrupt("a member has a negative size")
            self._left = info.size
            yield info
            for _ in self.content():
                pass
            self._exactly(-info.size % BLOCK)
        while rest := self._some(_CHUNK):
            if rest.strip(b"\0"):
                raise Corrupt("something follows the last member")

    def content(self) -> Iterator[bytes]:
        """The present member's bytes, in pieces. Raises BundleError."""
        while self._left:
            piece = self._some(min(self._left, _CHUNK))
            if not piece:
                raise Truncated("a member is cut off")
            self._left -= len(piece)
            yield piece

    def digest(self) -> str:
        """SHA-256 of what was read, hex: the tar's, once ``members`` is exhausted."""
        return self._digest.hexdigest()

    def _some(self, size: int) -> bytes:
        """At most ``size`` bytes, empty at the end only."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._digest.update(piece)
        return piece

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._some(size - len(data))
            if not piece:
                raise Truncated("the tar ends too early")
            data += piece
        return data


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    for chunk in chunks:
        if within := chunk[:limit]:
            yield within
        if len(chunk) > limit:
            raise TooLarge("there is more in it than the manifest says")
        limit -= len(chunk)


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """One gzip stream. Not ``gzip.open``: that takes what follows the stream for more of it, or overlooks it."""
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        while not engine.eof:
            data = engine.unconsumed_tail or file.read(_CHUNK)
            if not data:
                raise Truncated("the compressed stream ends too early")
            if out := engine.decompress(data, _CHUNK):
                yield out
    except zlib.error as error:
        raise Corrupt(str(error)) from None
    if engine.unused_data or file.read(1):
        raise Corrupt("something follows the compressed stream")


def _unxz(file: BinaryIO) -> Iterator[bytes]:
    engine = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        while not engine.eof:
            data = file.read(_CHUNK) if engine.needs_input else b""
            if engine.needs_input and not data:
                raise Truncated("the compressed stream ends too early")
            if out := engine.decompress(data, _CHUNK):
                yield out
    except lzma.LZMAError as error:
        raise Corrupt(str(error)) from None
    if engine.unused_data or file.read(1):
        raise Corrupt("something follows the compressed stream")
