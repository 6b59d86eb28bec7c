"""Freeze a folder of built files into a snapshot (S15). Reads each file once; memory stays bounded."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lumen_workers.archive.bundle import TarWriter, open_bundle
from lumen_workers.archive.layout import (
    BUNDLES,
    FILES,
    MANIFEST,
    MAX_BYTES,
    MAX_FILES,
    SUMS,
    FileEntry,
    check_file_path,
)
from lumen_workers.archive.manifest import Manifest, Tar, make_manifest
from lumen_workers.archive.sums import write_sums
from lumen_workers.domain.clock import US, to_us
from lumen_workers.domain.errors import BuildError, EnvironmentFault, UsageError
from lumen_workers.domain.records import Record
from lumen_workers.domain.runs import Seal

_CHUNK = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FreezeOptions(Record):
    """S15's options; one of the two forms at least. All regions must use the same: they are in the manifest."""

    include_plain_copy: bool = True
    make_tarball: bool = True
    tar_compression: Literal["gz", "xz"] = "gz"

    def __post_init__(self) -> None:
        if not (self.include_plain_copy or self.make_tarball):
            raise UsageError("archive options: include_plain_copy and make_tarball are both off; turn one on")
        if self.tar_compression not in BUNDLES:
            raise UsageError(f"archive options: tar_compression {self.tar_compression!r}: use {' or '.join(BUNDLES)}")


@dataclass(frozen=True, kw_only=True)
class Snapshot(Record):
    """What was frozen: Merkle root and digests as hex, the number of files, their bytes together."""

    root: str
    manifest_sha256: str
    tar_sha256: str | None
    files: int
    size: int


def freeze(
    files: Path,
    target: Path,
    *,
    seal: Seal,
    label: str,
    sources: Sequence[str] = (),
    highlights: Sequence[Any] = (),
    options: FreezeOptions | None = None,
) -> Snapshot:
    """Make a snapshot of everything below ``files`` in ``target``, which must be empty or not exist.

    What is written depends on the arguments and the files' names and bytes only: not on region, host, time, umask or
    the order of a folder. (The bundle's compressed bytes also depend on the compression library's build; the manifest
    therefore holds the tar's digest from before it.) ``sources`` says in words or globs where the files come from;
    ``highlights`` are JSON values.

    Raises BuildError for a link or special file, a name that cannot be frozen, nothing to freeze, or too much of it;
    EnvironmentFault where the machine does not let us.
    """
    options = options or FreezeOptions()
    found = _find(files)
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise BuildError(f"{target} is not empty; freeze into a fresh folder")
        manifest = _copy(found, target, seal, label, sources, highlights, options)
    except OSError as error:
        raise EnvironmentFault(f"cannot freeze into {target}: {error.strerror or error}") from None
    except ValueError as error:
        raise BuildError(f"cannot freeze {files}: {str(error).splitlines()[0]}") from None
    return Snapshot(
        root=manifest.merkle_root,
        manifest_sha256=hashlib.sha256(manifest.dump()).hexdigest(),
        tar_sha256=manifest.tar.sha256 if manifest.tar else None,
        files=len(manifest.files),
        size=sum(entry.size for entry in manifest.files),
    )


def _find(folder: Path) -> list[tuple[str, Path, int]]:
    """(path in the snapshot, file, size) for every file below ``folder``, sorted by path."""
    found: list[tuple[str, Path, int]] = []
    pending = [(FILES, folder)]
    try:
        while pending:
            prefix, place = pending.pop()
            with os.scandir(place) as items:
                for item in items:
                    path = f"{prefix}/{item.name}"
                    status = item.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append((path, Path(item.path)))
                    elif stat.S_ISREG(status.st_mode):
                        found.append((check_file_path(path), Path(item.path), status.st_size))
                    else:
                        raise BuildError(f"cannot freeze {item.path}: it is a link or a special file")
    except OSError as error:
        raise EnvironmentFault(f"cannot read {folder}: {error.strerror}") from None
    except ValueError as error:
        raise BuildError(f"cannot freeze {folder}: {error}") from None
    if not found:
        raise BuildError(f"there is nothing to freeze in {folder}")
    if len(found) > MAX_FILES or sum(size for _, _, size in found) > MAX_BYTES:
        raise BuildError(f"{folder} is too much for one snapshot: at most {MAX_FILES} files and {MAX_BYTES} bytes")
    return sorted(found)


def _copy(
    found: Sequence[tuple[str, Path, int]],
    target: Path,
    seal: Seal,
    label: str,
    sources: Sequence[str],
    highlights: Sequence[Any],
    options: FreezeOptions,
) -> Manifest:
    compression = options.tar_compression
    bundle = target / BUNDLES[compression]
    with ExitStack() as stack:
        writer = None
        if options.make_tarball:
            writer = stack.enter_context(open_bundle(bundle, compression, to_us(seal.sealed_at) // US))
        entries = [
            _take(path, source, size, target / path if options.include_plain_copy else None, writer)
            for path, source, size in found
        ]
        tar = Tar(compression=compression, sha256=writer.finish(), size=writer.size) if writer else None
    manifest = make_manifest(
        seal,
        entries,
        label=label,
        sources=sources,
        highlights=highlights,
        plain_copy=options.include_plain_copy,
        tar=tar,
    )
    data = manifest.dump()
    (target / MANIFEST).write_bytes(data)
    digests = {MANIFEST: hashlib.sha256(data).hexdigest()}
    if tar:
        with bundle.open("rb") as stream:
            digests[tar.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    if options.include_plain_copy:
        digests |= manifest.hash.values
    (target / SUMS).write_bytes(write_sums(digests))
    return manifest


def _take(path: str, source: Path, size: int, copy: Path | None, writer: TarWriter | None) -> FileEntry:
    """Read one file once: hash it, copy it, put it into the tar."""
    digest = hashlib.sha256()
    left = size
    with ExitStack() as stack:
        stream = stack.enter_context(source.open("rb"))
        sinks: list[Callable[[bytes], object]] = []
        if copy:
            copy.parent.mkdir(parents=True, exist_ok=True)
            sinks.append(stack.enter_context(copy.open("xb")).write)
        if writer:
            writer.member(path, size)
            sinks.append(writer.write)
        while chunk := stream.read(min(left + 1, _CHUNK)):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            for sink in sinks:
                sink(chunk)
    if left:
        raise BuildError(f"{source} changed while it was frozen")
    if writer:
        writer.pad()
    return FileEntry(path=path, size=size, sha256=digest.hexdigest())
